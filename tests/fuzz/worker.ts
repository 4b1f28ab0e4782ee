/**
 * Fuzzes one target on a thread of its own, so that an input on which it hangs can be told.
 *
 * @module
 */
import { seedsOf } from "./corpus.ts";
import { Coverage } from "./coverage.ts";
import { Examiner, type Failure } from "./examine.ts";
import { Mutator } from "./mutate.ts";
import { Random } from "./random.ts";
import type { Seed, Target } from "./target.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What to do. */
export interface Task {
  /** Module with the table of targets, its `TARGETS`. */
  module: string;
  target: string;
  seed: number;
  seconds: number;
  /** Instead of all else: the one input to try. */
  only?: Bytes;
  /** Two 32-bit numbers, how many inputs were begun and how long the last is, and that input. */
  shared: SharedArrayBuffer;
}

/** What came of it. */
export interface Outcome {
  runs: number;
  seconds: number;
  /** Inputs that reached parts of the program that none before them had. */
  found: number;
  failure?: Failure & { input: Bytes };
}

/** Inputs tried between two looks at the coverage, and such batches in a row. */
const BATCH = 64;
const BATCHES = 64;
/** Inputs tried at full speed, without coverage, until the next such row. */
const PLAIN_RUNS = 50_000;

/** One run; which inputs it tries depends on the seed alone, and how many on the time. */
class Fuzzer {
  readonly #examiner: Examiner;
  readonly #mutator: Mutator;
  readonly #pool: Seed[];
  readonly #coverage: Coverage;
  readonly #start = performance.now();
  #runs = 0;
  #found = 0;

  constructor(target: Target, readonly task: Task, coverage: Coverage) {
    this.#coverage = coverage;
    const progress = new Int32Array(task.shared, 0, 2);
    const shown = new Uint8Array(task.shared, 8);
    this.#examiner = new Examiner(target, (input) => {
      shown.set(input);
      progress[1] = input.length;
      Atomics.add(progress, 0, 1);
    });
    this.#pool = seedsOf(target);
    this.#mutator = new Mutator(target, this.#pool, new Random(task.seed, target.name));
  }

  async run(): Promise<Outcome> {
    const failed = await this.#search();
    const seconds = (performance.now() - this.#start) / 1000;
    const outcome = { runs: this.#runs, seconds, found: this.#found };
    if (!failed) return outcome;
    const [input, failure] = failed;
    return { ...outcome, failure: { ...failure, input: this.#examiner.minimise(input, failure) } };
  }

  async #search(): Promise<[Bytes, Failure] | undefined> {
    const { only } = this.task;
    const failed = this.#try(only ? [only] : this.#pool.map(({ bytes }) => bytes));
    if (failed || only) return failed;
    while (!this.#late()) {
      const failed = await this.#explore() ?? this.#plain();
      if (failed) return failed;
    }
    return undefined;
  }

  /** Mutates with an eye on the coverage: inputs that reach something new join the pool. */
  async #explore(): Promise<[Bytes, Failure] | undefined> {
    const coverage = this.#coverage;
    await coverage.start();
    try {
      this.#try(this.#pool.map(({ bytes }) => bytes));
      await coverage.grew();
      coverage.keep();
      for (let batch = 0; batch < BATCHES && !this.#late(); batch++) {
        const inputs = Array.from({ length: BATCH }, () => this.#mutator.next());
        const failed = this.#try(inputs);
        if (failed) return failed;
        if (await coverage.grew()) await this.#keepNew(inputs);
      }
      return undefined;
    } finally {
      await coverage.stop();
    }
  }

  /** Finds those among inputs that reach something new, by halves. */
  async #keepNew(inputs: Bytes[]): Promise<void> {
    const coverage = this.#coverage;
    const middle = inputs.length >> 1;
    const halves = middle > 0 ? [inputs.slice(0, middle), inputs.slice(middle)] : [inputs];
    for (const half of halves) {
      this.#try(half);
      if (!await coverage.grew()) continue;
      if (half.length > 1) await this.#keepNew(half);
      else {
        coverage.keep();
        this.#pool.push({ name: `found ${++this.#found}`, bytes: half[0] });
      }
    }
  }

  #plain(): [Bytes, Failure] | undefined {
    for (let run = 0; run < PLAIN_RUNS; run += BATCH) {
      if (this.#late()) return undefined;
      for (let i = 0; i < BATCH; i++) {
        const failed = this.#try([this.#mutator.next()]);
        if (failed) return failed;
      }
    }
    return undefined;
  }

  #try(inputs: Bytes[]): [Bytes, Failure] | undefined {
    for (const input of inputs) {
      this.#runs++;
      const failure = this.#examiner.examine(input);
      if (failure) return [input, failure];
    }
    return undefined;
  }

  #late(): boolean {
    return performance.now() - this.#start > this.task.seconds * 1000;
  }
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Task>) => void;
  postMessage(outcome: Outcome): void;
};

scope.onmessage = async ({ data: task }) => {
  // What is compiled before the counting starts is counted by whole functions only.
  const coverage = new Coverage(task.module);
  await coverage.start();
  const { TARGETS } = await import(task.module) as { TARGETS: Target[] };
  const target = TARGETS.find(({ name }) => name === task.target);
  if (!target) throw new Error(`There is no target ${task.target}`);
  scope.postMessage(await new Fuzzer(target, task, coverage).run());
};
