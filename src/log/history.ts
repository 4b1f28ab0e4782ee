/**
 * The history file: every event, behind a local time, appended and never truncated.
 *
 * @module
 */
import { dirname } from "node:path";
import { LineOutput } from "./line_output.ts";
import { formatLocalTime } from "./local_time.ts";

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
    this.#file = openForAppend(path);
    this.output = new LineOutput(path, this.#file);
  }

  /**
   * Appends an event's line.
   *
   * @param timeMs the event's time, in milliseconds since 1970
   */
  append(timeMs: number, line: string): void {
    this.output.line(`${formatLocalTime(timeMs)} ${line}`);
  }

  /** Writes what waits, and closes the file. */
  async close(): Promise<void> {
    await this.output.close();
    this.#file.close();
  }
}

function openForAppend(path: string): Deno.FsFile {
  const options = { append: true, create: true, mode: 0o640 };
  try {
    return Deno.openSync(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    Deno.mkdirSync(dirname(path), { recursive: true });
    return Deno.openSync(path, options);
  }
}
