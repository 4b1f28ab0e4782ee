/**
 * The history file: every event, behind a local time or as JSON, appended and never truncated.
 *
 * @module
 */
import { FollowedFile } from "./followed_file.ts";
import { LineOutput } from "./line_output.ts";
import type { LogFormat } from "./log_output.ts";

/** How a history is kept. */
export interface HistoryOptions {
  format?: LogFormat;
  /** Is told when somebody has moved or deleted the file, and another one was opened. */
  onReplaced?: () => void;
}

/** An open history file. */
export class History {
  readonly format: LogFormat;
  readonly output: LineOutput;
  readonly #file: FollowedFile;

  /**
   * Opens `path` for appending and makes it, and its parent folders, when they are missing.
   *
   * @throws {Error} of the file system, when that cannot be done
   */
  constructor(
    readonly path: string,
    { format = "classic", onReplaced = () => {} }: HistoryOptions = {},
  ) {
    this.format = format;
    this.#file = new FollowedFile(path, 0o640, onReplaced);
    this.output = new LineOutput(path, this.#file);
  }

  /** Whether the open file is still the one of its name. */
  get isCurrent(): boolean {
    return this.#file.isCurrent;
  }

  /** Writes what waits, for half a second at most or for `limitMs`, and closes the file. */
  async close(limitMs?: number): Promise<void> {
    await this.output.close(limitMs);
    this.#file.close();
  }
}
