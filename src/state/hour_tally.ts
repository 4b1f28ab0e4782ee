/**
 * The events of an hour by protocol, port and type, in memory of a fixed size: every port has its own
 * count, and the most frequent ones are kept by name.
 *
 * @module
 */
import { HOUR_PORTS, HOUR_TYPES } from "../limits.ts";

/** What is counted of an event. */
export interface Counted {
  readonly protocol: "TCP" | "UDP" | "ICMP";
  /** Of no meaning for ICMP. */
  readonly port: number;
  readonly type: string;
}

/** One sum of an hour. `port` has values such as `tcp/23`; `other` stands for those not named. */
export interface HourRow {
  what: "protocol" | "port" | "type" | "blocks";
  value: string;
  events: number;
}

const OTHER = "other";
const UDP_FIRST = 65_536;

/** Sums that grow until they are cleared. */
export class HourTally {
  readonly #ports = new Uint32Array(2 * UDP_FIRST);
  /** Indexes of the ports that have been counted. */
  readonly #touched: number[] = [];
  readonly #protocols = { TCP: 0, UDP: 0, ICMP: 0 };
  readonly #types = new Map<string, number>();
  #otherPorts = 0;
  #otherTypes = 0;
  #blocks = 0;

  add({ protocol, port, type }: Counted): void {
    this.#protocols[protocol]++;
    if (protocol !== "ICMP") this.#addPort((protocol === "TCP" ? 0 : UDP_FIRST) + port, 1);
    this.#addType(type, 1);
  }

  /** A host has been blocked. */
  addBlock(): void {
    this.#blocks++;
  }

  /** Takes up what a run before has written of this hour. */
  load(rows: Iterable<HourRow>): void {
    for (const { what, value, events } of rows) {
      if (what === "blocks") this.#blocks += events;
      else if (what === "type") this.#addType(value, events);
      else if (what === "port") this.#loadPort(value, events);
      else if (value === "TCP" || value === "UDP" || value === "ICMP") {
        this.#protocols[value] += events;
      }
    }
  }

  /** The sums, at most a fixed number of them. */
  rows(): HourRow[] {
    const rows: HourRow[] = [];
    const add = (what: HourRow["what"], value: string, events: number) => {
      if (events > 0) rows.push({ what, value, events });
    };
    for (const [protocol, events] of Object.entries(this.#protocols)) {
      add("protocol", protocol, events);
    }
    for (const [type, events] of this.#types) add("type", type, events);
    add("type", OTHER, this.#otherTypes);
    add("blocks", "", this.#blocks);
    let others = this.#otherPorts;
    const top = this.#topPorts();
    for (const index of this.#touched) if (!top.has(index)) others += this.#ports[index];
    for (const index of top) {
      const name = index < UDP_FIRST ? `tcp/${index}` : `udp/${index - UDP_FIRST}`;
      add("port", name, this.#ports[index]);
    }
    add("port", OTHER, others);
    return rows;
  }

  clear(): void {
    for (const index of this.#touched) this.#ports[index] = 0;
    this.#touched.length = 0;
    this.#protocols.TCP = this.#protocols.UDP = this.#protocols.ICMP = 0;
    this.#types.clear();
    this.#otherPorts = this.#otherTypes = this.#blocks = 0;
  }

  #addPort(index: number, events: number): void {
    if (this.#ports[index] === 0) this.#touched.push(index);
    this.#ports[index] += events;
  }

  /** An attacker chooses a TCP segment's flags: there are 64 kinds of them, and others may come. */
  #addType(type: string, events: number): void {
    const before = this.#types.get(type);
    if (type === OTHER || (before === undefined && this.#types.size >= HOUR_TYPES)) {
      this.#otherTypes += events;
    } else this.#types.set(type, (before ?? 0) + events);
  }

  #loadPort(value: string, events: number): void {
    const [, protocol, digits] = /^(tcp|udp)\/(\d{1,5})$/.exec(value) ?? [];
    const port = Number(digits);
    if (port < UDP_FIRST) this.#addPort((protocol === "tcp" ? 0 : UDP_FIRST) + port, events);
    else this.#otherPorts += events;
  }

  /** A full scan has touched every port once: they are looked through, and not sorted. */
  #topPorts(): Set<number> {
    const top: number[] = [];
    for (const index of this.#touched) {
      const events = this.#ports[index];
      if (top.length === HOUR_PORTS && events <= this.#ports[top[HOUR_PORTS - 1]]) continue;
      let place = top.length;
      while (place > 0 && this.#ports[top[place - 1]] < events) place--;
      top.splice(place, 0, index);
      if (top.length > HOUR_PORTS) top.pop();
    }
    return new Set(top);
  }
}
