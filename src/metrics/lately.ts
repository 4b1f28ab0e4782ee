/**
 * What `portsentry top` shows: who comes lately and where to, how fast, and who was blocked last.
 *
 * @module
 */
import type { ScanEvent } from "../event/scan_event.ts";
import { LATELY_NAMES, LATELY_RATE_MS, TOP_ROWS } from "../limits.ts";
import { type Recent, RecentTable } from "./recent_table.ts";

/** A host that was blocked, and for which probe. */
export interface RecentBlock {
  host: string;
  timeMs: number;
  /** Such as `tcp/23`. */
  port: string;
}

const ALL = "all";
const UDP_FIRST = 65_536;

/** Counts since the start of the program; times are of the wall clock. */
export class Lately {
  readonly #all = new RecentTable<string>(1, LATELY_RATE_MS);
  readonly #sources = new RecentTable<string>(LATELY_NAMES, LATELY_RATE_MS);
  readonly #ports = new RecentTable<number>(LATELY_NAMES, LATELY_RATE_MS);
  /** The latest first. */
  readonly #blocks: RecentBlock[] = [];

  probe({ source, protocol, port, tool }: ScanEvent, nowMs: number): void {
    this.#all.add(ALL, nowMs);
    this.#sources.add(source, nowMs, tool);
    // A ping goes to no port.
    if (protocol !== "ICMP") this.#ports.add(protocol === "TCP" ? port : UDP_FIRST + port, nowMs);
  }

  /** A host has been blocked for an event. */
  block({ source, protocol, port }: ScanEvent, nowMs: number): void {
    this.#blocks.unshift({
      host: source,
      timeMs: nowMs,
      port: `${protocol.toLowerCase()}/${port}`,
    });
    if (this.#blocks.length > TOP_ROWS) this.#blocks.pop();
  }

  /** Probes a second. */
  rate(nowMs: number): number {
    return this.#all.top(1, nowMs)[0]?.rate ?? 0;
  }

  /** With the tool of each as the note. */
  sources(nowMs: number): Recent<string>[] {
    return this.#sources.top(TOP_ROWS, nowMs);
  }

  ports(nowMs: number): Recent<string>[] {
    return this.#ports.top(TOP_ROWS, nowMs).map(({ name, ...counts }) => ({
      name: name < UDP_FIRST ? `tcp/${name}` : `udp/${name - UDP_FIRST}`,
      ...counts,
    }));
  }

  blocks(): readonly RecentBlock[] {
    return this.#blocks;
  }
}
