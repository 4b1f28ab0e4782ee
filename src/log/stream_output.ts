/**
 * The process's own streams: errors on stderr, everything else on stdout.
 *
 * @module
 */
import type { LineOutput } from "./line_output.ts";
import type { Level, LogOutput, OutputState } from "./log_output.ts";

/** Sends lines to one of two outputs by their level. */
export class StreamOutput implements LogOutput {
  readonly name = "stdout and stderr";

  /** @param stdout undefined when only errors are wanted here */
  constructor(readonly stdout: LineOutput | undefined, readonly stderr: LineOutput) {}

  /** The two outputs tell of themselves. */
  readonly state: OutputState = { lost: 0, failure: undefined };
  readonly isBehind = false;

  line(text: string, level: Level): void {
    (level === "error" ? this.stderr : this.stdout)?.line(text);
  }

  append(bytes: Uint8Array, start: number, end: number): void {
    this.stdout?.append(bytes, start, end);
  }

  async close(limitMs?: number): Promise<void> {
    await Promise.all([this.stdout?.close(limitMs), this.stderr.close(limitMs)]);
  }
}
