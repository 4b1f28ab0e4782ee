/**
 * Where log lines go, and at which level.
 *
 * @module
 */

/** How much a line matters. `verbose` is what `-v` adds, `debug` what `-d` adds. */
export type Level = "error" | "notice" | "verbose" | "debug";

/** How events and messages are written: as portsentry's lines, or as JSON. */
export type LogFormat = "classic" | "json";

/** How an output stands. */
export interface OutputState {
  /** Lines lost since the program started. */
  lost: number;
  /** Why the last write failed; undefined when it worked. */
  failure: string | undefined;
}

/** Takes lines, never blocks, and counts what it loses. */
export interface LogOutput {
  /** What a person calls it, such as `stdout` or a file's path. */
  readonly name: string;
  readonly state: Readonly<OutputState>;
  /** Whether so much waits that lines had better come slower. */
  readonly isBehind: boolean;
  /** Takes one line, without its end of line. */
  line(text: string, level: Level): void;
  /** Takes the bytes of one line, its newline included, at the level of events; if it can. */
  append?(bytes: Uint8Array, start: number, end: number): void;
  /** Writes what waits, for half a second at most, or for `limitMs`. */
  close(limitMs?: number): Promise<void>;
}
