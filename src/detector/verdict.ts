/**
 * What the detector thinks of a packet.
 *
 * @module
 */

/** One verdict a packet; everything from {@link Verdict.Ignored} on is an event. */
export const Verdict = {
  /** Not a probe: a TCP segment with ACK or RST belongs to a connection, or pretends to. */
  NotProbe: 0,
  /** To a port nobody asked to watch; the kernel filter may be coarser than the list of ports. */
  NotWatched: 1,
  /** The source is in the ignore file. */
  Ignored: 2,
  /** The source has not yet done enough for SCAN_TRIGGER. */
  BelowTrigger: 3,
  /** Source and destination are the same address: this host talks to itself. */
  SameHost: 4,
  /** Log it; BLOCK_TCP or BLOCK_UDP is 0. */
  LogOnly: 5,
  /** Answer it with the responses of BLOCK_TCP or BLOCK_UDP. */
  Respond: 6,
} as const;
export type Verdict = typeof Verdict[keyof typeof Verdict];

/** Whether a verdict is told at all. */
export function isEvent(verdict: Verdict): boolean {
  return verdict >= Verdict.Ignored;
}
