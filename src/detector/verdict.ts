/**
 * What the detector thinks of a probe.
 *
 * @module
 */

/** One verdict a probe, and every probe is told; from {@link Verdict.LogOnly} on it has triggered. */
export const Verdict = {
  /** The source is in the ignore file. */
  Ignored: 0,
  /** The source has not yet done enough for SCAN_TRIGGER or SCAN_TRIGGER_PORTS. */
  BelowTrigger: 1,
  /** Source and destination are the same address: this host talks to itself. */
  SameHost: 2,
  /** Log it; BLOCK_TCP or BLOCK_UDP is 0. */
  LogOnly: 3,
  /** Answer it with the responses of BLOCK_TCP or BLOCK_UDP. */
  Respond: 4,
} as const;
export type Verdict = typeof Verdict[keyof typeof Verdict];
