/**
 * Fuzzes a target for a time, under the eyes of a watchdog.
 *
 * @module
 */
import { MOST_INPUT_BYTES, type Target } from "./target.ts";
import type { Outcome, Task } from "./worker.ts";

/** What an input may take; one that takes longer is tried once more, alone, and then has failed. */
export const HANG_MS = 1000;

const WATCH_MS = 100;
const TARGETS_MODULE = new URL("./targets.ts", import.meta.url).href;

/**
 * Tries changed inputs.
 *
 * @param seed decides which inputs are tried, and in which order
 * @param module where the target is in the table `TARGETS`
 */
export async function fuzz(
  { name }: Target,
  seed: number,
  seconds: number,
  module = TARGETS_MODULE,
): Promise<Outcome> {
  const outcome = await work({ module, target: name, seed, seconds });
  if (outcome.failure?.kind !== "hangs") return outcome;
  // A machine that stood still for a moment is no fault of the target's.
  const only = outcome.failure.input;
  const again = await work({ module, target: name, seed, seconds, only });
  return { ...again, runs: outcome.runs, seconds: outcome.seconds };
}

function work(task: Omit<Task, "shared">): Promise<Outcome> {
  const shared = new SharedArrayBuffer(8 + MOST_INPUT_BYTES);
  const progress = new Int32Array(shared, 0, 2);
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const start = performance.now();
  let last = 0;
  let since = Infinity; // until the first input
  let watch: ReturnType<typeof setInterval>;
  return new Promise<Outcome>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Outcome>) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    watch = setInterval(() => {
      const begun = Atomics.load(progress, 0);
      if (begun !== last) {
        last = begun;
        since = performance.now();
      } else if (performance.now() - since > HANG_MS) {
        const input = new Uint8Array(shared, 8, progress[1]).slice() as Uint8Array<ArrayBuffer>;
        const seconds = (performance.now() - start) / 1000;
        const message = `takes more than ${HANG_MS} ms`;
        resolve({ runs: begun, seconds, found: 0, failure: { kind: "hangs", message, input } });
      }
    }, WATCH_MS);
    worker.postMessage({ ...task, shared });
  }).finally(() => {
    clearInterval(watch);
    worker.terminate();
  });
}
