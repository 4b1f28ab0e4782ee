/**
 * The history file: every event, behind a local time, appended and never truncated.
 *
 * @module
 */
import { openForAppend } from "./append_file.ts";
import { LineOutput } from "./line_output.ts";

/** An open history file. */
export class History {
  readonly output: LineOutput;
  readonly #file: Deno.FsFile;

  /**
   * Opens `path` for appending and makes it, and its parent folders, when they are missing.
   *
   * @throws {Error} of the file system, when that cannot be done
   */
  constructor(path: string) {
    this.#file = openForAppend(path, 0o640);
    this.output = new LineOutput(path, this.#file);
  }

  /** Writes what waits, for half a second at most or for `limitMs`, and closes the file. */
  async close(limitMs?: number): Promise<void> {
    await this.output.close(limitMs);
    this.#file.close();
  }
}
