/**
 * Sets of ports, as TCP_PORTS and UDP_PORTS write them.
 *
 * @module
 */
import { quote } from "../text.ts";

/** Ports from `first` to `last`, both included. */
export interface PortRange {
  first: number;
  last: number;
}

/** A set of ports that answers in constant time. */
export class PortSet {
  readonly #watched = new Uint8Array(65_536);
  /** The set as sorted ranges with at least one port between each two. */
  readonly ranges: readonly PortRange[];

  constructor(ranges: Iterable<PortRange>) {
    for (const { first, last } of ranges) this.#watched.fill(1, first, last + 1);
    this.ranges = rangesOf(this.#watched);
  }

  /** Whether `port` (0 to 65535) is in the set. */
  has(port: number): boolean {
    return this.#watched[port] === 1;
  }

  /** How many ports there are. */
  get size(): number {
    return this.ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  }

  /** The ports of this set that are not in `other`. */
  without(other: PortSet): PortSet {
    const rest: PortRange[] = [];
    for (const { first, last } of this.ranges) {
      for (let port = first; port <= last; port++) {
        if (!other.has(port)) rest.push({ first: port, last: port });
      }
    }
    return new PortSet(rest);
  }

  /**
   * At most `most` ranges that hold every port of the set. Where the set has more ranges, those
   * with the fewest foreign ports between them are joined.
   */
  covering(most: number): PortRange[] {
    const joins = this.ranges.length - most;
    if (joins <= 0) return [...this.ranges];
    const gaps = this.ranges.slice(1).map(({ first }, i) => ({
      after: i,
      ports: first - this.ranges[i].last - 1,
    }));
    const joined = new Set(
      gaps.sort((a, b) => a.ports - b.ports).slice(0, joins).map(({ after }) => after),
    );
    const covering: PortRange[] = [];
    this.ranges.forEach(({ first, last }, i) => {
      if (i > 0 && joined.has(i - 1)) covering[covering.length - 1].last = last;
      else covering.push({ first, last });
    });
    return covering;
  }

  /** The set as the config file would write it: `1,7,20-25`. */
  toString(): string {
    return this.ranges.map(({ first, last }) => first === last ? `${first}` : `${first}-${last}`)
      .join(",");
  }
}

function rangesOf(watched: Uint8Array): PortRange[] {
  const ranges: PortRange[] = [];
  for (let first = watched.indexOf(1); first >= 0;) {
    const end = watched.indexOf(0, first);
    ranges.push({ first, last: (end < 0 ? watched.length : end) - 1 });
    first = end < 0 ? -1 : watched.indexOf(1, end);
  }
  return ranges;
}

/** What a list of ports holds, or everything that is wrong with it. */
export type ParsedPorts = { ports: PortSet } | { faults: string[] };

/** Reads a list such as `1,7,20-25`: ports and inclusive ranges from 1 to 65535. */
export function parsePorts(text: string): ParsedPorts {
  if (text.trim() === "") return { faults: [`The list is empty: write ports such as "1,7,20-25"`] };
  const ranges: PortRange[] = [];
  const faults: string[] = [];
  for (const element of text.split(",")) {
    const range = parseElement(element.trim());
    if (typeof range === "string") faults.push(range);
    else ranges.push(range);
  }
  return faults.length > 0 ? { faults } : { ports: new PortSet(ranges) };
}

/** One port or range as a range, or what is wrong with it. */
export function parseElement(element: string): PortRange | string {
  if (element === "") return `A port is missing between two commas or at an end of the list`;
  const dash = element.indexOf("-");
  if (dash < 0) {
    const port = parsePort(element);
    return typeof port === "string" ? `Cannot parse port ${quote(element)}: it ${port}` : {
      first: port,
      last: port,
    };
  }
  const refuse = (why: string) => `Cannot parse port range ${quote(element)}: ${why}`;
  const first = parsePort(element.slice(0, dash).trim());
  if (typeof first === "string") return refuse(`the start ${first}`);
  const last = parsePort(element.slice(dash + 1).trim());
  if (typeof last === "string") return refuse(`the end ${last}`);
  if (first > last) return refuse(`it ends before it starts, write "${last}-${first}"`);
  return { first, last };
}

/** A port's number, or what its text must be. */
function parsePort(text: string): number | string {
  if (!/^\d+$/.test(text)) return "must be a number";
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : "must be from 1 to 65535";
}
