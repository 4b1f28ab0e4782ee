/**
 * A file that is followed by its name: when somebody deletes, moves or replaces it, what comes later
 * goes into the file of that name, and not into one that nobody can see.
 *
 * @module
 */
import { isNamed } from "../files.ts";
import { openForAppend } from "./append_file.ts";
import type { LineTarget } from "./line_output.ts";

const NEWLINE = 0x0a;

/** An open file that lines are appended to. */
export class FollowedFile implements LineTarget {
  #file: Deno.FsFile;
  #info: Deno.FileInfo;
  /** Whether a full disk or a crash has cut its last line short: the next one is to have its own. */
  #withinLine: boolean;

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
  write(bytes: Uint8Array): Promise<number> {
    try {
      if (!this.#isCurrent) this.#follow();
      if (this.#withinLine) this.#file.writeSync(Uint8Array.of(NEWLINE));
      this.#withinLine = false;
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#file.write(bytes);
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
  }

  close(): void {
    this.#file.close();
  }

  get #isCurrent(): boolean {
    return isNamed(this.path, this.#info);
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
