/**
 * What time it is in a capture file: a clock that only goes forward, by packets whose own times may not.
 *
 * @module
 */

/** Goes by the packets' times, as long as these make sense one after the other. */
export class ReplayClock {
  readonly #leapMs: number;
  readonly #mostMs: number;
  #nowMs = -Infinity;
  /** The packets' time that `#nowMs` stands for. */
  #timeMs = -Infinity;
  /** The time of the packet before, when it was a leap ahead: the next one tells whether it counts. */
  #aheadMs: number | undefined;

  /**
   * @param leapMs steps that are larger are leaps: nobody's packets are that far out of order
   * @param mostMs longest quiet that makes a difference to anything
   */
  constructor(leapMs: number, mostMs: number) {
    this.#leapMs = leapMs;
    this.#mostMs = mostMs;
  }

  /** Where the clock stands: no packet alone can move it far. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /**
   * Takes the time of the next packet of the file.
   *
   * @returns when that is; for a leap ahead, what it is if the leap counts
   */
  take(timeMs: number): number {
    if (this.#nowMs === -Infinity) this.#nowMs = this.#timeMs = timeMs;
    // A packet with a time that is bogus is alone with it.
    if (this.#aheadMs !== undefined && timeMs >= this.#aheadMs - this.#leapMs) {
      this.#step(this.#aheadMs);
    }
    this.#aheadMs = undefined;
    const stepMs = timeMs - this.#timeMs;
    if (stepMs > this.#leapMs) {
      this.#aheadMs = timeMs;
      return this.#nowMs + Math.min(stepMs, this.#mostMs);
    }
    if (stepMs > 0) this.#step(timeMs);
    // The clock was set back. Packets that are only out of order wait until it has come to them.
    else if (stepMs < -this.#leapMs) this.#timeMs = timeMs;
    return this.#nowMs;
  }

  #step(timeMs: number): void {
    this.#nowMs += timeMs - this.#timeMs;
    this.#timeMs = timeMs;
  }
}
