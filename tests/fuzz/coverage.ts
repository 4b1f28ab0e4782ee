/**
 * Which parts of the program's own sources have run, as V8 counts them.
 *
 * @module
 */
import inspector from "node:inspector";

interface Script {
  url: string;
  functions: { ranges: { startOffset: number; endOffset: number; count: number }[] }[];
}

const OURS = /\/(?:src|ffi)\/[^?]*\.ts$/;

/** What has run, in parts that were found worth keeping. */
export class Coverage {
  readonly #session = new inspector.Session();
  /** For each source, its characters that have run, and those that ran lately. */
  readonly #kept = new Map<string, Uint8Array>();
  #lately = new Map<string, Uint8Array>();
  #counts = false;

  /** @param module a source to count besides the program's own */
  constructor(readonly module: string) {}

  /** Starts to count, which makes everything slower; nothing when it counts already. */
  async start(): Promise<void> {
    if (this.#counts) return;
    this.#session.connect();
    await this.#post("Profiler.enable");
    await this.#post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
    this.#counts = true;
  }

  /** Whether anything has run since the last call that is in nothing kept so far. */
  async grew(): Promise<boolean> {
    const { result } = await this.#post("Profiler.takePreciseCoverage") as { result: Script[] };
    this.#lately = new Map(
      result.filter(({ url }) => OURS.test(url) || url === this.module).map((
        { url, functions },
      ) => [url, ran(functions)]),
    );
    return [...this.#lately].some(([url, ran]) => {
      const kept = this.#kept.get(url);
      return ran.some((one, i) => one === 1 && kept?.[i] !== 1);
    });
  }

  /** Keeps what {@link grew} saw last. */
  keep(): void {
    for (const [url, ran] of this.#lately) {
      const before = this.#kept.get(url) ?? new Uint8Array(0);
      const kept = new Uint8Array(Math.max(ran.length, before.length));
      kept.set(before);
      ran.forEach((one, i) => kept[i] |= one);
      this.#kept.set(url, kept);
    }
  }

  /** Ends the counting until the next start. */
  async stop(): Promise<void> {
    await this.#post("Profiler.stopPreciseCoverage");
    this.#session.disconnect();
    this.#counts = false;
  }

  #post(method: string, parameters?: object): Promise<unknown> {
    return new Promise((resolve, reject) =>
      this.#session.post(
        method,
        parameters,
        (error: Error | null, result: unknown) => error ? reject(error) : resolve(result),
      )
    );
  }
}

/** The characters of a source that have run. Outer ranges come before those in them. */
function ran(functions: Script["functions"]): Uint8Array {
  const ran = new Uint8Array(Math.max(0, ...functions.map(({ ranges }) => ranges[0].endOffset)));
  for (const { ranges } of functions) {
    for (const { startOffset, endOffset, count } of ranges) {
      ran.fill(count > 0 ? 1 : 0, startOffset, endOffset);
    }
  }
  return ran;
}
