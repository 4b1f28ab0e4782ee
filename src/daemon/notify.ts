/**
 * Telling systemd how the service is, as sd_notify(3) does: a datagram of lines to the socket that
 * NOTIFY_SOCKET names.
 *
 * @module
 */
import type { Poller } from "../../ffi/epoll.ts";
import { Interval } from "../../ffi/interval.ts";
import { readSystemFile, SystemError } from "../../ffi/libc.ts";
import { UnixDatagram } from "../../ffi/unix_datagram.ts";
import { NOTIFY_RETRY_MS, NOTIFY_WAITING } from "../limits.ts";

/** Pings in the time that the watchdog waits for one: sd_watchdog_enabled(3) wants two. */
const PINGS = 2;

/** What the service manager has put into the environment of a service. */
interface Terms {
  /** A path, or `@` and a name that is in no file system. */
  socket: string;
  /** How often it wants to hear that all is well; undefined for never. */
  pingMs: number | undefined;
}

/** The service manager that has started this program; without one, all this does nothing. */
export class ServiceManager {
  readonly #terms: Terms | undefined;
  #socket: UnixDatagram | undefined;
  #interval: Interval | undefined;
  #poller: Poller | undefined;
  #status = "";
  /** What a busy manager has not taken: without READY it would end a service that runs. */
  readonly #waiting: Uint8Array<ArrayBuffer>[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(environment: readonly string[] = environmentOf()) {
    this.#terms = termsOf(environment);
  }

  /**
   * The program does its work now. From here on the watchdog hears of it, out of the poller itself:
   * a poller that hangs, or a handler that does not return, goes unheard.
   *
   * @param status asked again with every ping
   */
  ready(poller: Poller, status: () => string): void {
    if (!this.#terms) return;
    this.#tell(`READY=1\n${this.#statusLine(status())}`);
    const { pingMs } = this.#terms;
    if (pingMs === undefined) return;
    const interval = this.#interval = new Interval(pingMs);
    this.#poller = poller;
    poller.add(interval.fd, () => {
      interval.take();
      this.#tell(`WATCHDOG=1\n${this.#statusLine(status())}`);
    });
  }

  /** The configuration is being read anew, until {@link reloaded}. */
  reloading(): void {
    this.#tell("RELOADING=1\n");
  }

  /** With the new configuration, or still with the old one. */
  reloaded(status: string): void {
    this.#tell(`READY=1\n${this.#statusLine(status)}`);
  }

  /** The program is about to end. */
  stopping(): void {
    this.#endPings();
    this.#tell("STOPPING=1\nSTATUS=Shutting down\n");
  }

  close(): void {
    this.#endPings();
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#socket = undefined;
  }

  #endPings(): void {
    if (!this.#interval) return;
    this.#poller?.remove(this.#interval.fd);
    this.#interval.close();
    this.#interval = undefined;
  }

  /** A status that has not changed is not told again. */
  #statusLine(status: string): string {
    if (status === this.#status) return "";
    this.#status = status;
    return `STATUS=${status}\n`;
  }

  /** Nothing waits for the manager: what it does not take now it is told later, in the same order. */
  #tell(lines: string): void {
    if (!this.#terms) return;
    if (this.#waiting.length < NOTIFY_WAITING) this.#waiting.push(new TextEncoder().encode(lines));
    this.#retry();
  }

  #retry(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#waiting.length > 0 && this.#send(this.#waiting[0])) this.#waiting.shift();
    if (this.#waiting.length > 0) {
      this.#timer = setTimeout(() => this.#retry(), NOTIFY_RETRY_MS);
    }
  }

  /** False when the manager is busy; to one that is not there, everything is told. */
  #send(datagram: Uint8Array<ArrayBuffer>): boolean {
    if (this.#socket?.send(datagram)) return true;
    this.#socket?.close();
    this.#socket = undefined;
    try {
      this.#socket = new UnixDatagram(this.#terms!.socket);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return true;
    }
    return this.#socket.send(datagram);
  }
}

/** As it was at the start of the process. */
function environmentOf(): string[] {
  return readSystemFile("/proc/self/environ").split("\0");
}

function termsOf(environment: readonly string[]): Terms | undefined {
  const value = (name: string) =>
    environment.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  const socket = value("NOTIFY_SOCKET");
  if (socket === undefined || !/^[/@]./.test(socket)) return undefined;
  const forThis = value("WATCHDOG_PID") ?? String(Deno.pid);
  const watchdogUs = forThis === String(Deno.pid) ? Number(value("WATCHDOG_USEC")) : NaN;
  return { socket, pingMs: watchdogUs > 0 ? watchdogUs / 1000 / PINGS : undefined };
}
