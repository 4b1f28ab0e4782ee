/**
 * Where the summaries of scans go.
 *
 * @module
 */
import type { ScanSummary } from "../event/scan_summary.ts";
import type { EventLog } from "./event_log.ts";
import type { Logger } from "./logger.ts";
import { formatSummary } from "./summary_line.ts";

/**
 * Tells scans that have ended. One of kind `probe` is told with `-v` only: its events say the same.
 *
 * A classic history file has events and nothing else, as those who read it expect. In one of JSON each
 * line says itself what it is, and whoever collects it need not put scans together once more.
 */
export class ScanLog {
  constructor(readonly eventLog: EventLog, readonly log: Logger) {}

  tell(summaries: readonly ScanSummary[]): void {
    for (const summary of summaries) {
      if (summary.kind !== "probe") this.#tell(summary, "notice");
      else if (this.log.detailed) this.#tell(summary, "verbose");
    }
  }

  #tell(summary: ScanSummary, level: "notice" | "verbose"): void {
    const { format, json, history, outputs } = this.eventLog;
    if (history?.format === "json") history.output.line(json.summary(summary, level));
    if (format === "classic") return this.log[level](formatSummary(summary));
    const line = json.summary(summary, level);
    for (const output of outputs) output.line(line, level);
  }
}
