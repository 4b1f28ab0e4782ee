/**
 * What is lost is told: once a second at most, however much it is.
 *
 * @module
 */
import type { LogOutput } from "./log_output.ts";
import { LOSS_REPORT_MS } from "../limits.ts";
import type { Logger } from "./logger.ts";

/** Something that can lose what it was given. */
export interface LossCounter {
  /** What was lost, as in `12 packets were dropped by the kernel on eth0`. */
  what: string;
  /** How many since the start of the program. */
  count: number;
}

/** Compares counters with what was told of them last. */
export class LossReport {
  readonly #told = new Map<string, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  // By output: one that takes another's place under the same name begins at zero.
  readonly #lost = new WeakMap<LogOutput, number>();
  readonly #failures = new WeakMap<LogOutput, string>();

  /**
   * @param outputs whose losses and failures are told
   * @param counters gives every other counter
   */
  constructor(
    readonly log: Logger,
    readonly outputs: () => readonly LogOutput[],
    readonly counters: () => Iterable<LossCounter>,
  ) {}

  /** Tells what happened in a second, when that is over: an idle program does not look. */
  soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.tell();
      // What fails now may lose more, or mend, without anything else happening.
      if (this.outputs().some(({ state }) => state.failure !== undefined)) this.soon();
    }, LOSS_REPORT_MS);
  }

  /** Ends what {@link soon} has begun. */
  close(): void {
    clearTimeout(this.#timer);
  }

  /** Tells what happened since the last call. */
  tell(): void {
    for (const output of this.outputs()) this.#tellFailure(output);
    for (const { what, count } of this.counters()) this.#tellLoss(this.#told, what, what, count);
    for (const output of this.outputs()) {
      const what = `lines for ${output.name} were lost`;
      this.#tellLoss(this.#lost, output, what, output.state.lost);
    }
  }

  #tellFailure(output: LogOutput): void {
    const { failure } = output.state;
    const before = this.#failures.get(output);
    if (failure === before) return;
    if (failure === undefined) {
      this.#failures.delete(output);
      this.log.error(`${output.name} can be written again`);
    } else {
      this.#failures.set(output, failure);
      this.log.error(`Cannot write to ${output.name}: ${failure}`);
    }
  }

  #tellLoss<K>(
    told: { get(key: K): number | undefined; set(key: K, count: number): void },
    key: K,
    what: string,
    count: number,
  ): void {
    const before = told.get(key) ?? 0;
    if (count <= before) return;
    told.set(key, count);
    const sum = before > 0 ? ` (${count} since the start)` : "";
    this.log.error(`${count - before} ${what}${sum}`);
  }
}
