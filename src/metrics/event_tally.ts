/**
 * What events have been, counted: a few increments for an event, in memory of a fixed size.
 *
 * @module
 */
import type { ScanEvent } from "../event/scan_event.ts";
import { Histogram, type Labels } from "./exposition.ts";

/** The types that are told apart; everything else is `other`. A packet cannot add to them. */
const TYPES: readonly (readonly [type: string, label: string])[] = [
  ["TCP SYN/Normal scan", "syn"],
  ["UDP", "udp"],
  ["Connect", "connect"],
  ["TCP FIN scan", "fin"],
  ["TCP NULL scan", "null"],
  ["TCP XMAS scan", "xmas"],
  ["TCP ACK scan", "ack"],
  ["TCP Maimon scan", "maimon"],
  ["ICMP echo request", "echo"],
  ["ICMP timestamp request", "timestamp"],
  ["ICMP address mask request", "address_mask"],
];
const OTHER = TYPES.length;
const PROTOCOLS = ["TCP", "UDP", "ICMP"] as const;

/** What can come of an event. */
export const FATES = [
  "ignored",
  "below trigger",
  "same host",
  "logged",
  "spared",
  "blocked",
  "already blocked",
  "not blocked",
] as const;
export type Fate = typeof FATES[number];

/** Seconds; a ring that is read in time is below the first few. */
const LAG_BOUNDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2];

/** Counts since the start of the program. */
export class EventTally {
  readonly #probes = PROTOCOLS.map(() => new Float64Array(TYPES.length + 1));
  readonly #fates = new Float64Array(FATES.length);
  /** How long packets waited in the kernel until they were read, in seconds. */
  readonly lag = new Histogram(LAG_BOUNDS);

  /** Counts a probe that was read at `nowMs`, on the clock of its own time. */
  probe({ protocol, type, timeMs }: ScanEvent, nowMs: number): void {
    let index = 0;
    while (index < OTHER && TYPES[index][0] !== type) index++;
    this.#probes[PROTOCOLS.indexOf(protocol)][index]++;
    // A clock that was set back makes no time that is negative.
    this.lag.add(Math.max(0, nowMs - timeMs) / 1000);
  }

  /** Counts what has come of an event. */
  told(fate: Fate): void {
    this.#fates[FATES.indexOf(fate)]++;
  }

  /** Probes by protocol and type; also those there were none of, so that the first is a rise. */
  *probes(): Iterable<[Labels, number]> {
    for (const [i, protocol] of PROTOCOLS.entries()) {
      for (const [j, count] of this.#probes[i].entries()) {
        const type = TYPES[j]?.[1] ?? "other";
        const possible = protocolsOf(TYPES[j]?.[0]).includes(protocol);
        if (possible || count > 0) yield [{ protocol: protocol.toLowerCase(), type }, count];
      }
    }
  }

  /** Events by what came of them; also those there were none of. */
  *events(): Iterable<[Labels, number]> {
    for (const [i, fate] of FATES.entries()) {
      yield [{ outcome: fate.replace(" ", "_") }, this.#fates[i]];
    }
  }
}

/** The protocols that an event of a type can have. */
function protocolsOf(type = "TCP"): string[] {
  return type === "Connect" ? ["TCP", "UDP"] : [type.replace(/ .*/, "")];
}
