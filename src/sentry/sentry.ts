/**
 * Where packets come from, whatever the way.
 *
 * @module
 */

/** Something that watches ports until it is closed. */
export interface Sentry {
  /** What is watched now, a line each for a person. */
  readonly watched: string[];
  /** Frames that held no segment or datagram so far, by reason. */
  readonly rejects: Map<string, number>;
  /** What was lost before this program could read it, so far. */
  losses(): Iterable<{ what: string; count: number }>;
  /** Takes what the kernel still holds, for `limitMs` at most. */
  drain(limitMs: number): void;
  /** Ends the watch. */
  close(): void;
}
