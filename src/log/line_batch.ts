/**
 * Lines for a reader that is waited for: nothing is lost, and nothing piles up.
 *
 * @module
 */
import { OUTPUT_CHUNK_BYTES, OUTPUT_LINE_CHARACTERS } from "../limits.ts";
import type { LineTarget } from "./line_output.ts";

const NEWLINE = 0x0a;
/** UTF-8 takes three bytes a UTF-16 unit at most. */
const MOST_LINE_BYTES = OUTPUT_LINE_CHARACTERS * 3 + 1;
const encoder = new TextEncoder();

/**
 * Collects lines until somebody writes them: as soon as it is {@link full}, whoever makes lines has to
 * wait for {@link write} before the next.
 */
export class LineBatch {
  readonly #target: LineTarget;
  #bytes = new Uint8Array(OUTPUT_CHUNK_BYTES + MOST_LINE_BYTES);
  #length = 0;
  #writing: Promise<void> | undefined;

  constructor(target: LineTarget) {
    this.#target = target;
  }

  /** Whether it is time to write. */
  get full(): boolean {
    return this.#length >= OUTPUT_CHUNK_BYTES;
  }

  /** Takes one line, without its end of line; one of very many characters is cut. */
  line(text: string): void {
    const line = text.length > OUTPUT_LINE_CHARACTERS
      ? text.slice(0, OUTPUT_LINE_CHARACTERS)
      : text;
    this.add((into, start) => start + encoder.encodeInto(line, into.subarray(start)).written);
  }

  /** Takes one line from somebody who writes it from `start` on, and says where it ends. */
  add(write: (into: Uint8Array, start: number) => number): void {
    // Many lines may belong to one moment: then it grows.
    if (this.#bytes.length - this.#length < MOST_LINE_BYTES) this.#grow();
    this.#length = write(this.#bytes, this.#length);
    this.#bytes[this.#length++] = NEWLINE;
  }

  /**
   * Writes what there is, behind what is being written.
   *
   * @throws {Error} of the target
   */
  async write(): Promise<void> {
    await this.#writing;
    this.#writing = this.#writeAll();
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    for (let written = 0; written < this.#length;) {
      written += await this.#target.write(this.#bytes.subarray(written, this.#length));
    }
    this.#length = 0;
  }

  #grow(): void {
    const larger = new Uint8Array(this.#bytes.length * 2);
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
