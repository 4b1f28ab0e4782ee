/**
 * A clock that stands still until it is told how much time has passed.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Clock } from "../../src/notify/clock.ts";

export class FakeClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ atMs: number; then: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, then: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, then };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How long each timer still takes, the shortest first. */
  get timers(): number[] {
    return [...this.#timers].map(({ atMs }) => atMs - this.#nowMs).sort((a, b) => a - b);
  }

  /** Lets time pass: what is due in it happens, in its order. */
  pass(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const [due] = [...this.#timers].filter(({ atMs }) => atMs <= endMs)
        .sort((a, b) => a.atMs - b.atMs);
      if (!due) break;
      this.#timers.delete(due);
      this.#nowMs = due.atMs;
      due.then();
    }
    this.#nowMs = endMs;
  }
}

/** Waits for something real, such as a request, to have happened. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
