/**
 * Where events go: each line is made once, and copied to every output that takes bytes.
 *
 * @module
 */
import type { EventFlags, ScanEvent } from "../event/scan_event.ts";
import { formatEvent } from "./event_line.ts";
import type { History } from "./history.ts";
import { formatLocalTime } from "./local_time.ts";
import type { LogOutput } from "./log_output.ts";

const LINE_BYTES = 4096; // a host's name has 1025 characters at most, the rest of the line 300
const encoder = new TextEncoder();

/** Tells events to the log's outputs and the history file. */
export class EventLog {
  readonly #line = new Uint8Array(LINE_BYTES);
  /** The history file; undefined without HISTORY_FILE. It changes when the configuration does. */
  history: History | undefined;

  constructor(readonly outputs: readonly LogOutput[]) {}

  /** Tells an event with its host's name, or address, and what came of it. */
  tell(event: ScanEvent, host: string, flags: EventFlags): void {
    const time = formatLocalTime(event.timeMs);
    const line = formatEvent(event, host, flags);
    const { written } = encoder.encodeInto(`${time} ${line}\n`, this.#line);
    // The history first: it is what stays.
    this.history?.output.append(this.#line, 0, written);
    for (const output of this.outputs) {
      if (output.append) output.append(this.#line, time.length + 1, written);
      else output.line(line, "notice");
    }
  }
}
