/**
 * Where a run writes: standard output or the system logger, standard error, the history file; and how
 * much of that was lost.
 *
 * @module
 */
import type { Options } from "./cli.ts";
import { JsonLines } from "./log/event_json.ts";
import { EventLog } from "./log/event_log.ts";
import type { History } from "./log/history.ts";
import { LineOutput } from "./log/line_output.ts";
import type { LogFormat, LogOutput } from "./log/log_output.ts";
import { Logger } from "./log/logger.ts";
import { StreamOutput } from "./log/stream_output.ts";
import { SyslogOutput } from "./log/syslog.ts";

/** All outputs of a run, from its start to its last word. */
export class RunOutputs {
  /** Takes messages. */
  readonly log: Logger;
  /** Takes events. */
  readonly events: EventLog;
  /** All but standard error, which tells at the end what these have lost. */
  readonly #outputs: LogOutput[];
  readonly #stderr = new LineOutput("stderr", Deno.stderr);
  /** Those that a reload has replaced, until what they could not write is told. */
  readonly #oldHistories = new Set<History>();
  /** Lines that histories had lost which are closed now. */
  #linesLostBefore = 0;

  /** @param version of this program, for JSON */
  constructor(options: Options, version: string) {
    const { logOutputs, logFormat } = options;
    const stdout = logOutputs.includes("stdout")
      ? new LineOutput("stdout", Deno.stdout)
      : undefined;
    const syslog = logOutputs.includes("syslog") ? [new SyslogOutput()] : [];
    this.#outputs = [...(stdout ? [stdout] : []), ...syslog];
    const outputs = [new StreamOutput(stdout, this.#stderr), ...syslog];
    const json = new JsonLines(version);
    this.log = new Logger({
      ...options,
      outputs,
      json: logFormat === "json" ? json : undefined,
    });
    this.events = new EventLog(outputs, logFormat, json);
  }

  /** Lines lost so far, whatever the history file was meanwhile. */
  get linesLost(): number {
    return this.lossy.reduce((sum, { state }) => sum + state.lost, this.#linesLostBefore);
  }

  /** Whether an output is so far behind that lines had better come slower. */
  get areBehind(): boolean {
    return this.lossy.some(({ isBehind }) => isBehind);
  }

  /** Outputs that may lose lines. */
  get lossy(): LogOutput[] {
    const { history } = this.events;
    const histories = [...this.#oldHistories, ...(history ? [history] : [])];
    return [...this.#outputs, this.#stderr, ...histories.map(({ output }) => output)];
  }

  /**
   * Writes events to another history file, or in another format, from now on; the file before is closed
   * beside that.
   *
   * @param tellLosses tells what outputs have lost, before the old one is forgotten
   */
  changeHistory(
    history: History | undefined,
    format: LogFormat,
    tellLosses: () => void,
  ): void {
    const old = this.events.history;
    this.events.history = history;
    if (history) history.format = format;
    if (!old || old === history) return;
    this.#oldHistories.add(old);
    old.close().then(() => {
      tellLosses();
      this.#oldHistories.delete(old);
      this.#linesLostBefore += old.output.state.lost;
    });
  }

  /** Writes what waits and closes everything but standard error. */
  async close(limitMs: number): Promise<void> {
    const { history } = this.events;
    await Promise.all([history, ...this.#outputs].map((output) => output?.close(limitMs)));
  }

  /** Closes standard error. */
  async closeLast(limitMs: number): Promise<void> {
    await this.#stderr.close(limitMs);
  }
}
