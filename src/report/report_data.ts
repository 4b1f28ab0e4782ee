/**
 * What a report tells, out of the state file: who scanned, what for, with which tool, and who was
 * blocked.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { MOST_TIME_MS, REPORT_BARS, REPORT_MEMORY_MS, REPORT_ROWS } from "../limits.ts";
import { readDatabase } from "../state/database.ts";
import type { ScanRow } from "../state/scan_store.ts";
import type { BlockRecord } from "../state/state_file.ts";

/** How often something was seen. */
export interface Sum {
  name: string;
  events: number;
}

/** Scans that have something in common, such as their tool. */
export interface ScanGroup {
  name: string;
  scans: number;
  packets: number;
}

/** All scans of a source. */
export interface SourceSum {
  source: string;
  scans: number;
  packets: number;
  /** Most ports, and most of our addresses, of one of its scans. */
  ports: number;
  targets: number;
  tools: string[];
  kinds: string[];
  firstMs: number;
  lastMs: number;
  /** Whether it was blocked when one of its scans ended. */
  blocked: boolean;
}

/** Protocols of probes. */
export const PROTOCOLS = ["tcp", "udp", "icmp"] as const;
export type ProtocolName = typeof PROTOCOLS[number];

/** Probes by protocol. */
export type Probes = Record<ProtocolName, number>;

/** A bar of the timeline. */
export interface Period extends Probes {
  startMs: number;
  blocks: number;
}

/** A report. Times are of the wall clock, in milliseconds since 1970. */
export interface ReportData extends Probes {
  /** The start of an hour: what is summed by the hour cannot be cut. */
  fromMs: number;
  toMs: number;
  timeline: Period[];
  /** How long one of its bars is. */
  periodMs: number;
  types: Sum[];
  ports: Sum[];
  /** Events at all other ports. */
  otherPorts: number;
  scans: number;
  packets: number;
  /** How many sources have scanned. */
  sources: number;
  topSources: SourceSum[];
  tools: ScanGroup[];
  kinds: ScanGroup[];
  /** The latest first. */
  lastScans: ScanRow[];
  /** Hosts that were blocked in this time. */
  blocksMade: number;
  /** How many are blocked now, and some of them: those first that were blocked last. */
  blockedNow: number;
  blocked: BlockRecord[];
}

/** The file is there, and has nothing of what reports are made of. */
export class NoReports extends Error {
  override name = "NoReports";
}

/** The version of the state file that first had scans and hours. */
const REPORT_VERSION = 2;
const HOUR_MS = 3_600_000;
/** Hours that a bar may stand for. */
const STEPS = [1, 2, 3, 4, 6, 8, 12, 24];
const ORDER = new Intl.Collator("en", { numeric: true });
const DISTRIBUTED = "distributed";

/**
 * Reads a state file, be it in use or not.
 *
 * @param sinceMs from when on; to the start of its hour
 * @throws {NoReports} when a version without reports has written it
 * @throws {Error} of {@link readDatabase}
 */
export function readReport(path: string, sinceMs: number, nowMs: number): ReportData {
  const { database, has } = readDatabase(path, REPORT_VERSION);
  try {
    if (!has) throw new NoReports("it has no reports yet");
    const first = Math.floor(Math.max(sinceMs, nowMs - REPORT_MEMORY_MS) / HOUR_MS);
    // All of it as it was at one moment, however much is written meanwhile.
    database.exec("BEGIN");
    return {
      fromMs: first * HOUR_MS,
      toMs: nowMs,
      ...eventsOf(database, first, nowMs),
      ...scansOf(database, first * HOUR_MS),
      ...blockedOf(database, nowMs),
    };
  } finally {
    database.close();
  }
}

type Events = Pick<
  ReportData,
  ProtocolName | "timeline" | "periodMs" | "types" | "ports" | "otherPorts" | "blocksMade"
>;

function eventsOf(database: DatabaseSync, first: number, nowMs: number): Events {
  const sums = (what: string): Sum[] =>
    database.prepare(
      "SELECT value AS name, sum(events) AS events FROM hours WHERE what = ? AND hour >= ? " +
        "GROUP BY value ORDER BY events DESC, value",
    ).all(what, first).map(({ name, events }) => ({ name: String(name), events: Number(events) }));
  const eventsOf = (all: Sum[], wanted: string) =>
    all.find(({ name }) => name === wanted)?.events ?? 0;
  const protocols = sums("protocol");
  const ports = sums("port").filter(({ name }) => name !== "other").sort(byEvents);
  const top = ports.slice(0, REPORT_ROWS);
  const [tcp, udp, icmp] = PROTOCOLS.map((name) => eventsOf(protocols, name.toUpperCase()));
  return {
    tcp,
    udp,
    icmp,
    types: sums("type").slice(0, REPORT_ROWS),
    ports: top,
    otherPorts: tcp + udp - top.reduce((sum, { events }) => sum + events, 0),
    blocksMade: eventsOf(sums("blocks"), ""),
    ...timelineOf(database, first, nowMs),
  };
}

/** All probes. */
export function allOf({ tcp, udp, icmp }: Probes): number {
  return tcp + udp + icmp;
}

/** Protocols worth a column: pings only come with DETECT="extended". */
export function protocolsOf({ icmp }: Probes): readonly ProtocolName[] {
  return icmp > 0 ? PROTOCOLS : PROTOCOLS.slice(0, 2);
}

/** Ports that were probed equally often come in the order of their numbers. */
function byEvents(a: Sum, b: Sum): number {
  return b.events - a.events || ORDER.compare(a.name, b.name);
}

function timelineOf(
  database: DatabaseSync,
  first: number,
  nowMs: number,
): Pick<ReportData, "timeline" | "periodMs"> {
  const hours = Math.floor(nowMs / HOUR_MS) - first + 1;
  const step = STEPS.find((step) => Math.ceil(hours / step) + 1 <= REPORT_BARS + 1) ?? 24;
  // Days begin at midnight here.
  const east = step === 1 ? 0 : -Math.round(new Date(nowMs).getTimezoneOffset() / 60);
  const startOf = (hour: number) => Math.floor((hour + east) / step) * step - east;
  const periods = new Map<number, Period>();
  for (let hour = startOf(first); hour * HOUR_MS <= nowMs; hour += step) {
    periods.set(hour, { startMs: hour * HOUR_MS, tcp: 0, udp: 0, icmp: 0, blocks: 0 });
  }
  const rows = database.prepare(
    "SELECT hour, what, value, events FROM hours WHERE what IN ('protocol', 'blocks') AND hour >= ?",
  ).all(first);
  for (const { hour, what, value, events } of rows) {
    const period = periods.get(startOf(Number(hour)));
    if (!period) continue; // the clock was set back: it has hours that are still to come
    if (what === "blocks") period.blocks += Number(events);
    else {
      const name = PROTOCOLS.find((name) => name.toUpperCase() === value);
      if (name) period[name] += Number(events);
    }
  }
  return { timeline: [...periods.values()], periodMs: step * HOUR_MS };
}

type Scans = Pick<
  ReportData,
  "scans" | "packets" | "sources" | "topSources" | "tools" | "kinds" | "lastScans"
>;

function scansOf(database: DatabaseSync, fromMs: number): Scans {
  const sums = database.prepare(
    "SELECT count(*) AS scans, total(packets) AS packets, " +
      "count(DISTINCT CASE WHEN kind <> ? THEN source END) AS sources FROM scans WHERE last >= ?",
  ).get(DISTRIBUTED, fromMs)!;
  const groups = (column: "tool" | "kind"): ScanGroup[] =>
    database.prepare(
      `SELECT ${column} AS name, count(*) AS scans, total(packets) AS packets FROM scans ` +
        `WHERE last >= ? GROUP BY ${column} ORDER BY scans DESC, packets DESC, name LIMIT ?`,
    ).all(fromMs, REPORT_ROWS).map(({ name, scans, packets }) => ({
      name: String(name),
      scans: Number(scans),
      packets: Number(packets),
    }));
  return {
    scans: Number(sums.scans),
    packets: Number(sums.packets),
    sources: Number(sums.sources),
    topSources: topSources(database, fromMs),
    tools: groups("tool"),
    kinds: groups("kind"),
    lastScans: database.prepare(
      "SELECT * FROM scans WHERE last >= ? ORDER BY last DESC, id DESC LIMIT ?",
    )
      .all(fromMs, REPORT_ROWS).map((row) => ({
        source: String(row.source),
        kind: String(row.kind),
        tool: String(row.tool),
        firstMs: dateOf(row.first),
        lastMs: dateOf(row.last),
        packets: Number(row.packets),
        ports: Number(row.ports),
        targets: Number(row.targets),
        samplePorts: listOf(row.sample),
        blocked: Number(row.blocked) === 1,
      })),
  };
}

/** A distributed scan has many sources, and the name of none of them. */
function topSources(database: DatabaseSync, fromMs: number): SourceSum[] {
  return database.prepare(
    "SELECT source, count(*) AS scans, total(packets) AS packets, max(ports) AS ports, " +
      "max(targets) AS targets, group_concat(DISTINCT tool) AS tools, " +
      "group_concat(DISTINCT kind) AS kinds, min(first) AS first, max(last) AS last, " +
      "max(blocked) AS blocked FROM scans WHERE last >= ? AND kind <> ? " +
      "GROUP BY source ORDER BY packets DESC, source LIMIT ?",
  ).all(fromMs, DISTRIBUTED, REPORT_ROWS).map((row) => ({
    source: String(row.source),
    scans: Number(row.scans),
    packets: Number(row.packets),
    ports: Number(row.ports),
    targets: Number(row.targets),
    tools: listOf(row.tools),
    kinds: listOf(row.kinds),
    firstMs: dateOf(row.first),
    lastMs: dateOf(row.last),
    blocked: Number(row.blocked) === 1,
  }));
}

function blockedOf(
  database: DatabaseSync,
  nowMs: number,
): Pick<ReportData, "blockedNow" | "blocked"> {
  const inForce = "FROM blocks WHERE ends IS NULL OR ends > ?";
  const { many } = database.prepare(`SELECT count(*) AS many ${inForce}`).get(nowMs)!;
  const blocked = database.prepare(`SELECT * ${inForce} ORDER BY started DESC, host LIMIT ?`)
    .all(nowMs, REPORT_ROWS).map((row) => ({
      host: String(row.host),
      startMs: dateOf(row.started),
      endMs: row.ends === null ? undefined : dateOf(row.ends),
      reason: String(row.reason),
      count: Number(row.count),
    }));
  return { blockedNow: Number(many), blocked };
}

function listOf(text: unknown): string[] {
  return String(text ?? "").split(",").filter((part) => part !== "");
}

/** As the file has it, within the dates there are: no time in it may end a report. */
function dateOf(timeMs: unknown): number {
  return Math.max(0, Math.min(Number(timeMs), MOST_TIME_MS));
}
