/**
 * A file that is followed by its name: when somebody deletes, moves or replaces it, what comes later
 * goes into the file of that name, and not into one that nobody can see.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { isNamed } from "../files.ts";
import { openForAppend } from "./append_file.ts";
import type { LineTarget } from "./line_output.ts";

const NEWLINE = 0x0a;
const NOTHING = new Uint8Array(0);

/** An open file that lines are appended to. */
export class FollowedFile implements LineTarget {
  #file: Deno.FsFile;
  #info: Deno.FileInfo;
  /** Whether a crash has cut its last line short: the next one is to have its own. */
  #withinLine: boolean;
  /** What was written of a line of which the rest is to come, as with a full disk; and how much of it here. */
  #begun: Uint8Array = NOTHING;
  #begunHere = 0;

  /**
   * Opens the file, and makes it and its parent folders when they are missing.
   *
   * @param mode of a file that is made
   * @param onReplaced is told when another file of that name has been opened
   * @throws {Error} of the file system, when that cannot be done
   */
  constructor(readonly path: string, readonly mode: number, readonly onReplaced: () => void) {
    this.#file = openForAppend(path, mode);
    this.#info = this.#file.statSync();
    this.#withinLine = endsWithinLine(path);
  }

  /** Looks at the name first: that takes 10 µs, and lines are written many at a time. */
  async write(bytes: Uint8Array): Promise<number> {
    if (!this.#isCurrent) this.#follow();
    if (this.#withinLine) this.#file.writeSync(Uint8Array.of(NEWLINE));
    this.#withinLine = false;
    while (this.#begunHere < this.#begun.length) {
      this.#begunHere += this.#file.writeSync(this.#begun.subarray(this.#begunHere));
    }
    const file = this.#file;
    const written = await file.write(bytes);
    this.#begin(bytes.subarray(0, written), file === this.#file);
    return written;
  }

  /**
   * Opens the file of its name, and makes it, when the open one is another. A write that is under way
   * ends in the old one.
   *
   * @throws {Error} of the file system, when that cannot be done; the old one stays open
   */
  reopen(): void {
    if (this.#isCurrent) return;
    const file = openForAppend(this.path, this.mode);
    this.#file.close();
    this.#file = file;
    this.#info = file.statSync();
    this.#withinLine = endsWithinLine(this.path);
    this.#begunHere = 0;
  }

  close(): void {
    this.#file.close();
  }

  get #isCurrent(): boolean {
    return isNamed(this.path, this.#info);
  }

  /** Keeps the beginning of a line that is not written whole: a file that is opened now gets all of it. */
  #begin(written: Uint8Array, here: boolean): void {
    const start = written.lastIndexOf(NEWLINE) + 1;
    const before = start > 0 ? NOTHING : this.#begun;
    this.#begun = Buffer.concat([before, written.subarray(start)]);
    this.#begunHere = here ? this.#begun.length : 0;
  }

  /** @throws {Error} when none of that name can be opened, and the open one has no other name */
  #follow(): void {
    try {
      this.reopen();
    } catch (error) {
      // Moved away, by somebody who has put no other in its place: there it can be found.
      if ((this.#file.statSync().nlink ?? 0) > 0) return;
      throw error;
    }
    this.onReplaced();
  }
}

/** Whether a file's last byte is no end of line; false when that cannot be seen. */
function endsWithinLine(path: string): boolean {
  try {
    const { isFile, size } = Deno.statSync(path);
    if (!isFile || size === 0) return false;
    using file = Deno.openSync(path, { read: true });
    file.seekSync(-1, Deno.SeekMode.End);
    const last = new Uint8Array(1);
    return file.readSync(last) === 1 && last[0] !== NEWLINE;
  } catch {
    return false;
  }
}
