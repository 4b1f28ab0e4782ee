/**
 * What the program says about itself, through LogTape. Only this module knows the library.
 *
 * @module
 */
import { configureSync, getLogger, type LogLevel, type LogRecord } from "@logtape/logtape";
import { escapeControls } from "../text.ts";
import type { LineOutput } from "./line_output.ts";

/** Which lines are told, and where. */
export interface LoggerOptions {
  /** `-v` */
  verbose: boolean;
  /** `-d` */
  debug: boolean;
  /** Takes everything but errors. */
  output: LineOutput;
  /** Takes errors. */
  errors: LineOutput;
}

/** Says lines of four levels; what is not wanted costs a comparison. */
export class Logger {
  readonly #logger = getLogger(["portsentry"]);
  /** Whether {@link debug} lines are wanted: ask before building a costly one. */
  readonly debugging: boolean;
  readonly #verbose: boolean;

  /** Sets LogTape up for the process. */
  constructor(options: LoggerOptions) {
    this.debugging = options.debug;
    this.#verbose = options.verbose;
    configureSync({
      reset: true,
      sinks: { lines: (record) => writeRecord(record, options) },
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
    if (this.#verbose) this.#logger.debug`${text}`;
  }

  /** What `-d` adds; the line begins with `debug: `. */
  debug(text: string): void {
    if (this.debugging) this.#logger.trace`${text}`;
  }
}

const PREFIXES: Partial<Record<LogLevel, string>> = { trace: "debug: " };

function writeRecord(record: LogRecord, { output, errors }: LoggerOptions): void {
  const text = (PREFIXES[record.level] ?? "") + escapeControls(record.message.join(""));
  const isError = record.level === "error" || record.level === "fatal";
  (isError ? errors : output).line(text);
}
