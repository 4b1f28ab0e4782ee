/**
 * Where events go: each line is made once, and copied to every output that takes bytes.
 *
 * @module
 */
import type { EventFlags, ScanEvent } from "../event/scan_event.ts";
import type { JsonLines } from "./event_json.ts";
import { formatEvent, writeEvent } from "./event_line.ts";
import type { History } from "./history.ts";
import { writeLocalTime } from "./local_time.ts";
import type { LogFormat, LogOutput } from "./log_output.ts";

// A host's name has 1025 characters at most, of which JSON may make six times as many; the rest of
// the line has 800.
const LINE_BYTES = 8192;
const NEWLINE = 0x0a;
const BLANK = 0x20;
const encoder = new TextEncoder();

/** Tells events to the log's outputs and the history file. */
export class EventLog {
  readonly #line = new Uint8Array(LINE_BYTES);
  /** The history file; undefined without HISTORY_FILE. It changes when the configuration does. */
  history: History | undefined;

  /** @param format of the lines for `outputs`; the history file has its own */
  constructor(
    readonly outputs: readonly LogOutput[],
    readonly format: LogFormat,
    readonly json: JsonLines,
  ) {}

  /** Tells an event with its host's name, or address, and what came of it. */
  tell(event: ScanEvent, host: string, flags: EventFlags): void {
    const { format, history } = this;
    if (format === "classic" || history?.format === "classic") {
      this.#tellClassic(event, host, flags);
    }
    if (format === "json" || history?.format === "json") this.#tellJson(event, host, flags);
  }

  #tellClassic(event: ScanEvent, host: string, flags: EventFlags): void {
    const start = writeLocalTime(event.timeMs, this.#line, 0) + 1;
    this.#line[start - 1] = BLANK;
    const end = host === event.source ? writeEvent(event, flags, this.#line, start) : start +
      encoder.encodeInto(formatEvent(event, host, flags), this.#line.subarray(start)).written;
    this.#line[end] = NEWLINE;
    this.#write("classic", () => formatEvent(event, host, flags), start, end + 1);
  }

  #tellJson(event: ScanEvent, host: string, flags: EventFlags): void {
    const length = this.json.writeEvent(event, host, flags, this.#line);
    this.#line[length] = NEWLINE;
    this.#write("json", () => this.json.event(event, host, flags), 0, length + 1);
  }

  /**
   * Writes the line that is ready to all who want its format.
   *
   * @param line makes the outputs' line, for those that take no bytes
   * @param start where it starts for the outputs; the history file gets what is before that, too
   */
  #write(format: LogFormat, line: () => string, start: number, end: number): void {
    // The history first: it is what stays.
    if (this.history?.format === format) this.history.output.append(this.#line, 0, end);
    if (this.format !== format) return;
    for (const output of this.outputs) {
      if (output.append) output.append(this.#line, start, end);
      else output.line(line(), "notice");
    }
  }
}
