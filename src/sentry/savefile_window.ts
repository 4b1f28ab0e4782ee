/**
 * The part of a capture file that is in memory, and how far it has been read.
 *
 * @module
 */
import { SAVEFILE_WINDOW_BYTES } from "../limits.ts";

/** A capture file cannot be read any further; what came before the error stands. */
export class SavefileError extends Error {
  override name = "SavefileError";
}

/** A frame of a capture file, which stays where it is in the window; overwritten by the next. */
export class SavedFrame {
  /** Where it begins and ends in {@link SavefileWindow.bytes}. */
  start = 0;
  end = 0;
  linkType = 0;
  /** When it was captured, in whole milliseconds since 1970. */
  timeMs = 0;
}

/** Bytes of a file in the order they came. They are read where they stand. */
export class SavefileWindow {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  /** The first byte that has not been read, and the end of those that are there. */
  start = 0;
  end = 0;
  /** Where in the file the window begins. */
  #base = 0;
  #toSkip = 0;

  constructor(capacity = SAVEFILE_WINDOW_BYTES) {
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Where in the file the next byte to read is. */
  get offset(): number {
    return this.#base + this.start;
  }

  /** Whether there is something that has begun and is not whole. */
  get unfinished(): boolean {
    return this.end > this.start || this.#toSkip > 0;
  }

  /** Whether the next `length` bytes are there. */
  has(length: number): boolean {
    return this.end - this.start >= length;
  }

  /** Passes over the next bytes, those that have yet to come included. */
  skip(length: number): void {
    const here = Math.min(length, this.end - this.start);
    this.start += here;
    this.#toSkip += length - here;
  }

  /** Where more of the file is to be put; what has not been read moves to the front before that. */
  room(): Uint8Array<ArrayBuffer> {
    this.bytes.copyWithin(0, this.start, this.end);
    this.#base += this.start;
    this.end -= this.start;
    this.start = 0;
    return this.bytes.subarray(this.end);
  }

  /** Takes the first `count` bytes of {@link room}. */
  filled(count: number): void {
    this.end += count;
    const length = this.#toSkip;
    this.#toSkip = 0;
    this.skip(length);
  }
}
