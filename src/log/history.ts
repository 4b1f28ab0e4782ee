/**
 * The history file: every event, behind a local time or as JSON, appended and never truncated.
 *
 * @module
 */
import { openForAppend } from "./append_file.ts";
import { LineOutput } from "./line_output.ts";
import type { LogFormat } from "./log_output.ts";

const NEWLINE = 0x0a;

/** An open history file. */
export class History {
  readonly output: LineOutput;
  readonly #file: Deno.FsFile;

  /**
   * Opens `path` for appending and makes it, and its parent folders, when they are missing.
   *
   * @throws {Error} of the file system, when that cannot be done
   */
  constructor(path: string, readonly format: LogFormat = "classic") {
    this.#file = openForAppend(path, 0o640);
    this.output = new LineOutput(path, this.#file);
    // A full disk or a crash has cut the last line short: the next event is to have its own.
    if (endsWithinLine(path)) this.output.line("");
  }

  /** Writes what waits, for half a second at most or for `limitMs`, and closes the file. */
  async close(limitMs?: number): Promise<void> {
    await this.output.close(limitMs);
    this.#file.close();
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
