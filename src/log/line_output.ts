/**
 * An output that takes lines and never makes the caller wait: not for a slow disk, not for a full
 * one, not for a reader that has stopped reading.
 *
 * @module
 */
import {
  OUTPUT_BACKLOG_BYTES,
  OUTPUT_CHUNK_BYTES,
  OUTPUT_CLOSE_MS,
  OUTPUT_GATHER_MS,
  OUTPUT_LARGE_CHUNK_BYTES,
  OUTPUT_LINE_CHARACTERS,
  OUTPUT_RETRY_MS,
} from "../limits.ts";
import type { LogOutput, OutputState } from "./log_output.ts";

/** Where lines end up: a file, or a stream of the process. */
export interface LineTarget {
  /** Writes some of `bytes`; resolves to how many. */
  write(bytes: Uint8Array): Promise<number>;
}

/** Whole lines in one piece of memory, which is used again when they are written. */
class Chunk {
  readonly bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  /** How much of it has been written; more may be added behind what is being written now. */
  written = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }
}

const NEWLINE = 0x0a;
/** Small pieces before the pieces are large; as many are kept for the next lines. */
const SMALL_CHUNKS = 2;
const encoder = new TextEncoder();

/**
 * Collects lines while a write is under way and hands them over in one piece, so that a lone line
 * is written at once and a flood in large batches. A write that fails is tried again from the very
 * byte it stopped at; what does not fit into memory meanwhile is dropped whole and counted.
 *
 * Lines are kept as bytes: a backlog of strings would be the garbage collector's to carry around.
 */
export class LineOutput implements LogOutput {
  /** Oldest first; the last one is being filled. */
  readonly #chunks: Chunk[] = [];
  readonly #spare: Chunk[] = [];
  #writing: Promise<void> | undefined;
  #closed = false;
  readonly #state: OutputState = { lost: 0, failure: undefined };

  /**
   * @param name what a person calls it, such as `stdout` or a file's path
   * @param target where the bytes go
   */
  constructor(readonly name: string, readonly target: LineTarget) {}

  /** Losses, and the failure that still stands. */
  get state(): Readonly<OutputState> {
    return this.#state;
  }

  get isBehind(): boolean {
    return this.#backlog >= OUTPUT_BACKLOG_BYTES / 4;
  }

  /** Takes one line, without its end of line; one of very many characters is cut. */
  line(text: string): void {
    const line = text.length > OUTPUT_LINE_CHARACTERS
      ? text.slice(0, OUTPUT_LINE_CHARACTERS)
      : text;
    const chunk = this.#room(line.length * 3 + 1); // UTF-8 takes three bytes a UTF-16 unit at most
    if (!chunk) return;
    chunk.length += encoder.encodeInto(line, chunk.bytes.subarray(chunk.length)).written;
    chunk.bytes[chunk.length++] = NEWLINE;
    this.#writing ??= this.#drain();
  }

  /** Takes one line that is bytes already: those of `bytes` from `start` up to `end`, its newline. */
  append(bytes: Uint8Array, start: number, end: number): void {
    const chunk = this.#room(end - start);
    if (!chunk) return;
    chunk.bytes.set(bytes.subarray(start, end), chunk.length);
    chunk.length += end - start;
    this.#writing ??= this.#drain();
  }

  /**
   * Writes what waits, for half a second at most or for `limitMs`; what is left then is counted as
   * lost. Lines that come later are lost too.
   */
  async close(limitMs = OUTPUT_CLOSE_MS): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.max(0, limitMs));
    });
    await Promise.race([this.#writing, timeout]);
    clearTimeout(timer);
    this.#giveUp();
  }

  /** A chunk with room for `bytes`; undefined, and a line lost, when all are full. */
  #room(bytes: number): Chunk | undefined {
    const last = this.#chunks.at(-1);
    if (last && last.length + bytes <= last.bytes.length) return last;
    const small = this.#chunks.length < SMALL_CHUNKS;
    const size = small ? OUTPUT_CHUNK_BYTES : OUTPUT_LARGE_CHUNK_BYTES;
    if (this.#closed || this.#backlog + size > OUTPUT_BACKLOG_BYTES) {
      this.#state.lost++;
      return undefined;
    }
    const chunk = (small ? this.#spare.pop() : undefined) ?? new Chunk(size);
    this.#chunks.push(chunk);
    return chunk;
  }

  /** Size of all pieces that wait; they are few. */
  get #backlog(): number {
    return this.#chunks.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  async #drain(): Promise<void> {
    // Lines of the same turn of the event loop share the first write.
    await Promise.resolve();
    for (let chunk = this.#chunks[0]; chunk && !this.#closed; chunk = this.#chunks[0]) {
      try {
        chunk.written += await this.target.write(chunk.bytes.subarray(chunk.written, chunk.length));
        this.#state.failure = undefined;
        if (chunk.written === chunk.length) this.#recycle();
        else await this.#gather(chunk);
      } catch (error) {
        await this.#failed(error);
      }
    }
    this.#writing = undefined;
  }

  /** Lines that came while others were written are more than one, or soon will be. */
  async #gather({ written, length }: Chunk): Promise<void> {
    if (this.#closed || length - written >= OUTPUT_CHUNK_BYTES / 2) return;
    await new Promise((resolve) => setTimeout(resolve, OUTPUT_GATHER_MS));
  }

  /** The first chunk is written: keep its memory for the next lines. */
  #recycle(): void {
    const chunk = this.#chunks.shift();
    const small = chunk?.bytes.length === OUTPUT_CHUNK_BYTES;
    if (!small || this.#spare.length >= SMALL_CHUNKS) return;
    chunk.length = 0;
    chunk.written = 0;
    this.#spare.push(chunk);
  }

  async #failed(error: unknown): Promise<void> {
    this.#state.failure = error instanceof Error ? error.message : String(error);
    // Nobody will ever read from a broken pipe again; anything else may mend.
    if (error instanceof Deno.errors.BrokenPipe) this.#giveUp();
    else await new Promise((resolve) => setTimeout(resolve, OUTPUT_RETRY_MS));
  }

  #giveUp(): void {
    this.#closed = true;
    for (const { bytes, written, length } of this.#chunks) {
      for (let i = written; i < length; i++) if (bytes[i] === NEWLINE) this.#state.lost++;
    }
    this.#chunks.length = 0;
    this.#spare.length = 0;
  }
}
