/**
 * A report as a terminal or a pipe shows it.
 *
 * @module
 */
import { formatDuration } from "../config/duration.ts";
import { formatLocalTime } from "../log/local_time.ts";
import { type Cell, type Column, columns, cut } from "../terminal/columns.ts";
import { bar, paint, type Style } from "../terminal/style.ts";
import { listGroups, type Listing, listSums } from "./listing.ts";
import { allOf, protocolsOf, type ReportData } from "./report_data.ts";

const MOST_BAR = 40;
const LEAST_BAR = 8;
/** Ports of a scan that are named. */
const SAMPLE = 5;

/** All of a report; the last line ends, too. */
export function reportText(report: ReportData, style: Style): string {
  const sections = [
    heading(report, style),
    section(style, "Timeline", timelineLines(report, style)),
    section(style, "Top sources", sourceLines(report, style)),
    section(style, "Top ports", portLines(report, style)),
    section(style, "Tools", listed(listGroups("Tool", report.tools), style)),
    section(style, "Kinds of scan", listed(listGroups("Kind", report.kinds), style)),
    section(style, "Packets", listed(listSums("Type", report.types), style)),
    section(style, "Last scans", scanLines(report, style)),
    section(style, "Blocked now", blockLines(report, style)),
  ];
  const lines = sections.filter((lines) => lines.length > 0)
    .flatMap((lines, i) => i === 0 ? lines : ["", ...lines]);
  return lines.map((line) => `${line}\n`).join("");
}

/** Whether nothing at all is to be told. */
export function isEmpty(report: ReportData): boolean {
  const { scans, blocksMade, blockedNow } = report;
  return allOf(report) + scans + blocksMade + blockedNow === 0;
}

/** A moment as people write it, on this host's clock. */
export function localMinute(timeMs: number): string {
  return formatLocalTime(timeMs).slice(0, 16).replace("T", " ");
}

/** `1234567` as `1,234,567`. */
export function grouped(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

/** A duration in its largest unit, as `3h`. */
export function roughly(durationMs: number): string {
  const text = formatDuration(Math.max(0, Math.round(durationMs / 1000)));
  return /^\d+[a-z]/.exec(text)![0];
}

/** What a report says in the place of sums, and of scans. */
export const NOBODY = "Nobody has scanned this host in that time";
export const NONE_OVER = "No scan is over yet: who it was is told when a source has been quiet " +
  "for SCAN_WINDOW";

/** Whether there were probes, all of them of scans that go on. */
export function noScanIsOver(report: ReportData): boolean {
  return allOf(report) > 0 && report.scans === 0;
}

/** The sums, in words. */
export function sumsText(report: ReportData): string {
  const { scans, sources, blocksMade, blockedNow } = report;
  const each = protocolsOf(report).map((name) => `${grouped(report[name])} ${name.toUpperCase()}`);
  return [
    `${counted(allOf(report), "probe")} (${each.join(", ")})`,
    `${counted(scans, "scan")} by ${counted(sources, "source")}`,
    `${counted(blocksMade, "host")} blocked, ${grouped(blockedNow)} now`,
  ].join("; ");
}

function counted(count: number, what: string): string {
  return `${grouped(count)} ${what}${count === 1 ? "" : "s"}`;
}

function heading(report: ReportData, style: Style): string[] {
  const { fromMs, toMs } = report;
  const span = `${localMinute(fromMs)} to ${localMinute(toMs)}`;
  return [
    paint(style, "bold", cut(`Portsentry report, ${span}`, style.width)),
    cut(isEmpty(report) ? NOBODY : sumsText(report), style.width),
    ...(noScanIsOver(report) ? [cut(NONE_OVER, style.width)] : []),
  ];
}

function section(style: Style, title: string, lines: string[]): string[] {
  return lines.length === 0 ? [] : [paint(style, "bold", cut(title, style.width)), ...lines];
}

/** A bar a period; none at all when nothing was in any. */
function timelineLines(report: ReportData, style: Style): string[] {
  const { timeline, periodMs } = report;
  const most = Math.max(0, ...timeline.map(allOf));
  if (most === 0) return [];
  const days = periodMs >= 86_400_000;
  const protocols = protocolsOf(report);
  const heads: Column[] = [
    { title: days ? "DAY" : "FROM" },
    ...protocols.map((name) => ({ title: name.toUpperCase(), right: true })),
    { title: "BLOCKS", right: true },
  ];
  const numbers = timeline.map((period) => [
    localMinute(period.startMs).slice(0, days ? 10 : 16),
    ...[...protocols.map((name) => period[name]), period.blocks].map((n) =>
      n === 0 ? "" : grouped(n)
    ),
  ]);
  const lines = columns({ ...style, colours: false }, heads, numbers);
  const room = barRoom(style, Math.max(...lines.map((line) => line.length)));
  const [titles, ...rows] = lines;
  const left = Math.max(...lines.map((line) => line.length));
  return [
    paint(style, "dim", titles),
    ...rows.map((line, i) => {
      const all = allOf(timeline[i]);
      const whole = bar(style, all, most, room);
      const part = Math.round(whole.length * timeline[i].tcp / (all || 1));
      const bars = paint(style, "cyan", whole.slice(0, part)) +
        paint(style, "yellow", whole.slice(part));
      return `${line.padEnd(left)}  ${bars}`.trimEnd();
    }),
  ];
}

function sourceLines({ topSources, toMs }: ReportData, style: Style): string[] {
  if (topSources.length === 0) return [];
  return columns(
    style,
    [
      { title: "SOURCE", colour: "cyan" },
      { title: "KIND", shrinks: true },
      { title: "TOOL", shrinks: true },
      { title: "PACKETS", right: true },
      { title: "PORTS", right: true },
      { title: "HOSTS", right: true },
      { title: "SCANS", right: true },
      { title: "BLOCKED" },
      { title: "AGO", right: true },
    ],
    topSources.map((one) => [
      one.source,
      one.kinds.join(", "),
      one.tools.join(", "),
      ...[one.packets, one.ports, one.targets, one.scans].map(grouped),
      blockedCell(one.blocked),
      roughly(toMs - one.lastMs),
    ]),
  );
}

function portLines({ ports, otherPorts }: ReportData, style: Style): string[] {
  const lines = listed(listSums("Port", ports), style);
  return otherPorts > 0 && lines.length > 0
    ? [...lines, cut(`and ${counted(otherPorts, "probe")} of other ports`, style.width)]
    : lines;
}

/** Rows with a bar behind each. */
function listed({ heads: [name, ...numbers], rows }: Listing, style: Style): string[] {
  if (rows.length === 0) return [];
  const heads: Column[] = [
    { title: name.toUpperCase(), shrinks: true },
    ...numbers.map((title) => ({ title: title.toUpperCase(), right: true })),
  ];
  const cells = rows.map(({ name, numbers }) => [name, ...numbers.map(grouped)]);
  const plain = columns({ ...style, colours: false }, heads, cells);
  const room = barRoom(style, Math.max(...plain.map((line) => line.length)));
  const most = Math.max(...rows.map(({ numbers }) => numbers[0]));
  return columns(
    style,
    [...heads, { title: "", colour: "cyan" }],
    rows.map(({ numbers }, i) => [...cells[i], bar(style, numbers[0], most, room)]),
  );
}

/** Room for bars; none at all where they would be too short to tell anything. */
function barRoom({ width }: Style, left: number): number {
  const room = Math.min(MOST_BAR, width - left - 2);
  return room < LEAST_BAR ? 0 : room;
}

function scanLines({ lastScans, toMs }: ReportData, style: Style): string[] {
  if (lastScans.length === 0) return [];
  return columns(
    style,
    [
      { title: "AGO", right: true },
      { title: "SOURCE", colour: "cyan" },
      { title: "KIND", shrinks: true },
      { title: "TOOL", shrinks: true },
      { title: "PACKETS", right: true },
      { title: "TOOK", right: true },
      { title: "BLOCKED" },
      { title: "PORTS", shrinks: true },
    ],
    lastScans.map((one) => [
      roughly(toMs - one.lastMs),
      one.source,
      one.kind,
      one.tool,
      grouped(one.packets),
      roughly(one.lastMs - one.firstMs),
      blockedCell(one.blocked),
      one.samplePorts.slice(0, SAMPLE).join(" ") + (one.ports > SAMPLE ? " …" : ""),
    ]),
  );
}

function blockLines({ blocked, blockedNow, toMs }: ReportData, style: Style): string[] {
  if (blocked.length === 0) return [];
  const rest = blockedNow - blocked.length;
  return [
    ...columns(
      style,
      [
        { title: "HOST", colour: "red" },
        { title: "SINCE" },
        { title: "ENDS" },
        { title: "TIMES", right: true },
        { title: "REASON", shrinks: true },
      ],
      blocked.map(({ host, startMs, endMs, count, reason }) => [
        host,
        localMinute(startMs),
        endMs === undefined ? "never" : `in ${formatDuration(Math.round((endMs - toMs) / 1000))}`,
        String(count),
        reason,
      ]),
    ),
    ...(rest > 0 ? [cut(`and ${counted(rest, "other")}: portsentry blocked`, style.width)] : []),
  ];
}

function blockedCell(blocked: boolean): Cell {
  return blocked ? { text: "yes", colour: "red" } : "no";
}
