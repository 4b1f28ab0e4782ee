/**
 * An output that takes lines and never makes the caller wait: not for a slow disk, not for a full
 * one, not for a reader that has stopped reading.
 *
 * @module
 */
import {
  OUTPUT_CLOSE_MS,
  OUTPUT_PENDING_CHARACTERS,
  OUTPUT_RETRY_MS,
  OUTPUT_WRITE_CHARACTERS,
} from "../limits.ts";
import type { LogOutput, OutputState } from "./log_output.ts";

/** Where lines end up: a file, or a stream of the process. */
export interface LineTarget {
  /** Writes some of `bytes`; resolves to how many. */
  write(bytes: Uint8Array): Promise<number>;
}

/**
 * Collects lines while a write is under way and hands them over in one piece, so that a lone line
 * is written at once and a flood in large batches. A write that fails is tried again from the very
 * byte it stopped at; what does not fit into memory meanwhile is dropped whole and counted.
 */
export class LineOutput implements LogOutput {
  #waiting: string[] = [];
  #waitingCharacters = 0;
  #batch: Uint8Array = new Uint8Array(0); // bytes of whole lines, not all of them written yet
  #batchLines = 0;
  #writing: Promise<void> | undefined;
  #closed = false;
  #dead = false;
  readonly #state: OutputState = { lost: 0, failure: undefined };

  /**
   * @param name what a person calls it, such as `stdout` or a file's path
   * @param target where the bytes go
   */
  constructor(readonly name: string, readonly target: LineTarget) {}

  /** Takes one line, without its end of line. */
  line(text: string): void {
    if (this.#closed || this.#dead || this.#waitingCharacters > OUTPUT_PENDING_CHARACTERS) {
      this.#state.lost++;
      return;
    }
    this.#waiting.push(text);
    this.#waitingCharacters += text.length + 1;
    this.#writing ??= this.#drain();
  }

  /** Losses, and the failure that still stands. */
  get state(): Readonly<OutputState> {
    return this.#state;
  }

  /**
   * Writes what waits, for half a second at most; what is left then is counted as lost. Lines that
   * come later are lost too.
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#writing ??= this.#drain();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, OUTPUT_CLOSE_MS);
    });
    await Promise.race([this.#writing, timeout]);
    clearTimeout(timer);
    this.#giveUp();
  }

  async #drain(): Promise<void> {
    // Lines of the same turn of the event loop share the first write.
    await Promise.resolve();
    while (!this.#dead && this.#fillBatch()) {
      try {
        const written = await this.target.write(this.#batch);
        this.#batch = this.#batch.subarray(written);
        this.#state.failure = undefined;
      } catch (error) {
        await this.#failed(error);
      }
    }
    this.#writing = undefined;
  }

  /** Makes the next batch when the last is through; false when there is nothing to write. */
  #fillBatch(): boolean {
    if (this.#batch.length > 0) return true;
    this.#batchLines = 0;
    if (this.#waiting.length === 0) return false;
    const lines = this.#waitingCharacters <= OUTPUT_WRITE_CHARACTERS
      ? this.#waiting.splice(0)
      : this.#waiting.splice(0, linesWithin(this.#waiting, OUTPUT_WRITE_CHARACTERS));
    const text = lines.join("\n") + "\n";
    this.#waitingCharacters -= text.length;
    this.#batch = new TextEncoder().encode(text);
    this.#batchLines = lines.length;
    return true;
  }

  async #failed(error: unknown): Promise<void> {
    this.#state.failure = error instanceof Error ? error.message : String(error);
    // Nobody will ever read from a broken pipe again; anything else may mend.
    if (error instanceof Deno.errors.BrokenPipe) this.#giveUp();
    else await new Promise((resolve) => setTimeout(resolve, OUTPUT_RETRY_MS));
  }

  #giveUp(): void {
    this.#dead = true;
    this.#state.lost += this.#waiting.length + this.#batchLines;
    this.#waiting = [];
    this.#batchLines = 0;
  }
}

/** How many lines from the first make up `characters` at least; one when there is any. */
function linesWithin(lines: string[], characters: number): number {
  let sum = 0;
  let count = 0;
  while (count < lines.length && sum < characters) sum += lines[count++].length + 1;
  return count;
}
