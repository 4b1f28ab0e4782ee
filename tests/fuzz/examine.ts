/**
 * One input and one target: what fails, and the smallest input that fails in the same way.
 *
 * @module
 */
import { MOST_INPUT_BYTES, type Target } from "./target.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What is wrong with a target's way with an input. */
export interface Failure {
  kind: "throws" | "reads past the end" | "is not deterministic" | "hangs";
  message: string;
}

const POISON_BYTES = 4096;
const MINIMISE_TRIES = 4000;
const MINIMISE_MS = 3000;

/** Runs inputs between bytes that must not matter. */
export class Examiner {
  // The same input twice: with bytes behind it that look like TCP, a hop limit or a short length,
  // and with bytes that look like nothing.
  readonly #first = new Uint8Array(MOST_INPUT_BYTES + POISON_BYTES);
  readonly #second = new Uint8Array(MOST_INPUT_BYTES + POISON_BYTES);

  /** @param onInput is told each input before it is tried */
  constructor(readonly target: Target, readonly onInput: (input: Bytes) => void = () => {}) {}

  /** Undefined when all is well. */
  examine(input: Bytes): Failure | undefined {
    const { target } = this;
    this.onInput(input);
    try {
      const first = target.run(poisoned(this.#first, input, 0x06), input.length);
      const second = target.run(poisoned(this.#second, input, 0xff), input.length);
      if (first === second) return undefined;
      const again = target.run(poisoned(this.#second, input, 0x06), input.length);
      return {
        kind: again === first ? "reads past the end" : "is not deterministic",
        message: `${first}\nand then\n${again === first ? second : again}`,
      };
    } catch (error) {
      const message = error instanceof Error ? error.stack ?? error.message : String(error);
      return { kind: "throws", message };
    }
  }

  /** Makes an input that fails as short and as plain as it gets. */
  minimise(input: Bytes, { kind, message }: Failure): Bytes {
    const wanted = kind + skeleton(message);
    const until = performance.now() + MINIMISE_MS;
    let tries = 0;
    let best = input;
    const fails = (candidate: Bytes) => {
      const failure = ++tries > MINIMISE_TRIES || performance.now() > until
        ? undefined
        : this.examine(candidate);
      if (!failure || failure.kind + skeleton(failure.message) !== wanted) return false;
      best = candidate;
      return true;
    };
    for (let before = -1; before !== best.length;) {
      before = best.length;
      for (let size = best.length >> 1; size > 0; size >>= 1) {
        for (let at = 0; at + size <= best.length;) {
          if (!fails(without(best, at, size))) at += size;
        }
      }
    }
    const plain = this.target.kind === "bytes" ? 0 : "0".charCodeAt(0);
    for (let at = 0; at < best.length; at++) {
      if (best[at] === plain || best[at] === 0x0a) continue;
      const candidate = best.slice();
      candidate[at] = plain;
      fails(candidate);
    }
    return best;
  }
}

/** What two messages about the same thing have in common: the first line, without what it quotes. */
function skeleton(message: string): string {
  return message.split("\n", 1)[0].replaceAll(/"[^"]*"|'[^']*'|\d+/g, "");
}

function poisoned(buffer: Bytes, input: Bytes, poison: number): Bytes {
  buffer.fill(poison, input.length);
  buffer.set(input);
  return buffer;
}

function without(input: Bytes, at: number, size: number): Bytes {
  const rest = new Uint8Array(input.length - size);
  rest.set(input.subarray(0, at));
  rest.set(input.subarray(at + size), at);
  return rest;
}
