/**
 * Time as notifications go by it: tests put another in its place.
 *
 * @module
 */

/** A clock that nobody sets, and waiting by it. */
export interface Clock {
  /** In milliseconds from some moment on. */
  now(): number;
  /** Calls back in so many milliseconds, unless what it returns is called before. */
  after(ms: number, then: () => void): () => void;
}

/** The real one. */
export const CLOCK: Clock = {
  now: () => performance.now(),
  after(ms, then) {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};
