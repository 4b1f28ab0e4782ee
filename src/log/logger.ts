/**
 * What the program says about itself, through LogTape. Only this module knows the library.
 *
 * @module
 */
import { configureSync, getLogger, type LogLevel, type LogRecord } from "@logtape/logtape";
import { escapeControls } from "../text.ts";
import type { JsonLines } from "./event_json.ts";
import type { Level, LogOutput } from "./log_output.ts";

/** Which lines are told, and where. */
export interface LoggerOptions {
  /** `-v` */
  verbose: boolean;
  /** `-d` */
  debug: boolean;
  outputs: readonly LogOutput[];
  /** Makes the lines; undefined for plain text. */
  json?: JsonLines | undefined;
}

const LEVELS: Record<LogLevel, Level> = {
  trace: "debug",
  debug: "verbose",
  info: "notice",
  warning: "notice",
  error: "error",
  fatal: "error",
};

/** Says lines of four levels; what is not wanted costs a comparison. */
export class Logger {
  readonly #logger = getLogger(["portsentry"]);
  readonly #outputs: readonly LogOutput[];
  readonly #json: JsonLines | undefined;
  /** Whether {@link debug} lines are wanted: ask before building a costly one. */
  readonly debugging: boolean;
  /** The same for {@link verbose} lines. */
  readonly detailed: boolean;

  /** Sets LogTape up for the process. */
  constructor({ outputs, debug, verbose, json }: LoggerOptions) {
    this.debugging = debug;
    this.detailed = verbose;
    this.#outputs = outputs;
    this.#json = json;
    configureSync({
      reset: true,
      sinks: { lines: (record) => this.#write(record) },
      loggers: [
        { category: ["portsentry"], lowestLevel: "trace", sinks: ["lines"] },
        { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["lines"] },
      ],
    });
  }

  /** Something is wrong, or was lost. */
  error(text: string): void {
    this.#logger.error`${text}`;
  }

  /** What every run says. */
  notice(text: string): void {
    this.#logger.info`${text}`;
  }

  /** What `-v` adds. */
  verbose(text: string): void {
    if (this.detailed) this.#logger.debug`${text}`;
  }

  /** What `-d` adds; the line begins with `debug: `. */
  debug(text: string): void {
    if (this.debugging) this.#logger.trace`${text}`;
  }

  #write(record: LogRecord): void {
    const level = LEVELS[record.level];
    const message = record.message.join("");
    const prefix = level === "debug" ? "debug: " : "";
    const text = this.#json?.message(message, level, record.timestamp) ??
      prefix + escapeControls(message);
    for (const output of this.#outputs) output.line(text, level);
  }
}
