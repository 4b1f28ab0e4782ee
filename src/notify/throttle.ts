/**
 * So many notices a minute, and no more: a flood of spoofed sources must not become a flood of
 * messages. What comes on top is summed up.
 *
 * @module
 */
import { NOTICE_SAMPLES, NOTICES_PER_MINUTE } from "../limits.ts";
import type { Clock } from "./clock.ts";
import { countOf, type Notice } from "./notice.ts";

const MINUTE_MS = 60_000;

type Sum = Extract<Notice, { kind: "more" }>;

/** Passes notices on, or adds them up. */
export class Throttle {
  readonly #clock: Clock;
  readonly #pass: (notice: Notice) => void;
  #passed = 0;
  #sum = emptySum();
  /** Undefined while nothing has been passed in the last minute. */
  #cancel: (() => void) | undefined;

  /** @param pass takes what may go on */
  constructor(clock: Clock, pass: (notice: Notice) => void) {
    this.#clock = clock;
    this.#pass = pass;
  }

  take(notice: Exclude<Notice, Sum>): void {
    // The minute begins with the first notice: an idle program has no timer.
    this.#cancel ??= this.#clock.after(MINUTE_MS, () => this.#minuteOver());
    if (this.#passed < NOTICES_PER_MINUTE) {
      this.#passed++;
      return this.#pass(notice);
    }
    const sum = this.#sum;
    const source = notice.kind === "scan" ? notice.scan.source : notice.source;
    sum.timeMs = notice.timeMs;
    if (notice.kind === "block") sum.blocks++;
    else if (notice.kind === "dry-run") sum.dryRuns++;
    else sum.scans++;
    if (sum.sources.length < NOTICE_SAMPLES && !sum.sources.includes(source)) {
      sum.sources.push(source);
    }
  }

  /** Passes on what was added up, and waits for nothing any more. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#passed = 0;
    const sum = this.#sum;
    this.#sum = emptySum();
    if (countOf(sum) > 0) this.#pass(sum);
  }

  /** The sum comes on top of the next minute's notices, and so counts as one of them. */
  #minuteOver(): void {
    const goesOn = countOf(this.#sum) > 0;
    this.flush();
    if (!goesOn) return;
    this.#passed = 1;
    this.#cancel = this.#clock.after(MINUTE_MS, () => this.#minuteOver());
  }
}

function emptySum(): Sum {
  return { kind: "more", timeMs: 0, blocks: 0, dryRuns: 0, scans: 0, sources: [] };
}
