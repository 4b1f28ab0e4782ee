/**
 * The system logger, by datagrams to /dev/log. syslog(3) would wait for a logger that hangs; this
 * keeps the lines, tries again, and connects anew when the logger was restarted.
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";
import { UnixDatagram } from "../../ffi/unix_datagram.ts";
import { OUTPUT_CLOSE_MS, SYSLOG_PENDING_LINES, SYSLOG_RETRY_MS } from "../limits.ts";
import type { Level, LogOutput, OutputState } from "./log_output.ts";

const LOG_DAEMON = 3 << 3; // <sys/syslog.h>
const PRIORITIES: Record<Level, number> = { error: 3, notice: 5, verbose: 6, debug: 7 };
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/**
 * A datagram as syslog(3) makes it (RFC 3164, section 4.1.3): `<29>Nov 22 18:21:14 portsentry[7]: …`.
 *
 * @param timeMs milliseconds since 1970; written as local time
 */
export function syslogDatagram(
  text: string,
  level: Level,
  pid: number,
  timeMs: number,
): Uint8Array<ArrayBuffer> {
  const date = new Date(timeMs);
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, "0")).join(":");
  const day = String(date.getDate()).padStart(2);
  const header = `<${LOG_DAEMON | PRIORITIES[level]}>${MONTHS[date.getMonth()]} ${day} ${time}`;
  return new TextEncoder().encode(`${header} portsentry[${pid}]: ${text}`);
}

/** Lines to the system logger. */
export class SyslogOutput implements LogOutput {
  readonly name = "syslog";
  readonly #state: OutputState = { lost: 0, failure: undefined };
  readonly #waiting: Uint8Array<ArrayBuffer>[] = [];
  #socket: UnixDatagram | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly path = "/dev/log") {}

  get state(): Readonly<OutputState> {
    return this.#state;
  }

  get isBehind(): boolean {
    return this.#waiting.length >= SYSLOG_PENDING_LINES / 4;
  }

  line(text: string, level: Level): void {
    const datagram = syslogDatagram(text, level, Deno.pid, Date.now());
    if (this.#waiting.length === 0 && this.#send(datagram)) return;
    if (this.#waiting.length >= SYSLOG_PENDING_LINES) {
      this.#state.lost++;
      return;
    }
    this.#waiting.push(datagram);
    this.#timer ??= setTimeout(() => this.#retry(), SYSLOG_RETRY_MS);
  }

  async close(limitMs = OUTPUT_CLOSE_MS): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (this.#waiting.length > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, SYSLOG_RETRY_MS));
    }
    clearTimeout(this.#timer);
    this.#state.lost += this.#waiting.length;
    this.#waiting.length = 0;
    this.#socket?.close();
    this.#socket = undefined;
  }

  #retry(): void {
    this.#timer = undefined;
    let sent = 0;
    while (sent < this.#waiting.length && this.#send(this.#waiting[sent])) sent++;
    this.#waiting.splice(0, sent);
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#retry(), SYSLOG_RETRY_MS);
  }

  /** A socket that takes nothing is full, or its logger is gone: only a new one tells which. */
  #send(datagram: Uint8Array<ArrayBuffer>): boolean {
    if (this.#socket?.send(datagram)) return true;
    this.#socket?.close();
    this.#socket = undefined;
    try {
      this.#socket = new UnixDatagram(this.path);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.#state.failure = error.message;
      return false;
    }
    this.#state.failure = undefined;
    return this.#socket.send(datagram);
  }
}
