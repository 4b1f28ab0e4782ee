/**
 * The history file: every event, behind a local time or as JSON, appended and never truncated.
 *
 * @module
 */
import { FollowedFile } from "./followed_file.ts";
import { LineOutput } from "./line_output.ts";
import type { LogFormat } from "./log_output.ts";

/** An open history file: one for a path, as two would write into each other's lines. */
export class History {
  /** How events are written from now on. */
  format: LogFormat = "classic";
  readonly output: LineOutput;
  readonly #file: FollowedFile;

  /**
   * Opens `path` for appending and makes it, and its parent folders, when they are missing.
   *
   * @param onReplaced is told when somebody has moved or deleted the file, and another one was opened
   * @throws {Error} of the file system, when that cannot be done
   */
  constructor(readonly path: string, onReplaced: () => void = () => {}) {
    this.#file = new FollowedFile(path, 0o640, onReplaced);
    this.output = new LineOutput(path, this.#file);
  }

  /**
   * Opens the file of its name when somebody has moved or deleted the open one.
   *
   * @throws {Error} of the file system, when that cannot be done; the old one stays open
   */
  reopen(): void {
    this.#file.reopen();
  }

  /** Writes what waits, for half a second at most or for `limitMs`, and closes the file. */
  async close(limitMs?: number): Promise<void> {
    await this.output.close(limitMs);
    this.#file.close();
  }
}
