/**
 * Work that is worth doing again and again, but must not take all of the time.
 *
 * @module
 */
import { GUARD_REST } from "../limits.ts";

/** Rests after each time, for {@link GUARD_REST} times as long as it took. */
export class Pace {
  readonly #now: () => number;
  #dueAt = -Infinity;

  /** @param now a clock in milliseconds that nobody sets */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Whether the rest is over. */
  get due(): boolean {
    return this.#now() >= this.#dueAt;
  }

  /** Does the work, and begins the rest when it ends or throws. */
  run<T>(work: () => T): T {
    const startMs = this.#now();
    try {
      return work();
    } finally {
      const endMs = this.#now();
      this.#dueAt = endMs + GUARD_REST * (endMs - startMs);
    }
  }
}
