/**
 * What `portsentry top` shows of a running program, as lines.
 *
 * @module
 */
import { type Column, columns, cut } from "../terminal/columns.ts";
import { escapeControls } from "../text.ts";
import { bar, paint, type Style } from "../terminal/style.ts";
import { grouped, localMinute, roughly } from "./report_text.ts";

/** The answer of a running program: see RunReport.top(). */
export interface Top {
  atMs: number;
  startMs: number;
  mode: string;
  packets: number;
  packetsToServices: number;
  probes: number;
  lostBeforeReading: number;
  /** Probes a second. */
  rate: number;
  /** Hosts that the firewall blocks now; null without one. */
  blockedNow: number | null;
  sources: {
    name: string;
    events: number;
    rate: number;
    lastMs: number;
    tool: string;
    blocked: boolean;
  }[];
  ports: { name: string; events: number; rate: number; lastMs: number }[];
  blocks: { host: string; timeMs: number; port: string }[];
}

/** How it is shown. */
export interface TopView {
  style: Style;
  /** Lines that there are; Infinity in a pipe. */
  rows: number;
  /** Rates at the looks before, the latest last. */
  rates: readonly number[];
  /** Why this is not of now. */
  failure?: string | undefined;
}

const LEVELS = "▁▂▃▄▅▆▇█";
const HEAD_ROWS = 3;
/** A list's title, and the blank line before it. */
const LIST_ROWS = 2;
const LEAST_ROWS = 2;
const MOST_ROWS = 10;
const BAR = 20;
/** An IPv4 address is shown whole, if anything is: cut, it is another one. */
const ADDRESS = "255.255.255.255".length;

/** The lines of a screen, or of a snapshot. */
export function topLines(top: Top, view: TopView): string[] {
  const { style, rows } = view;
  const counts = [top.sources, top.ports, top.blocks].map(({ length }) => length);
  const shares = shareRows(counts, rows - HEAD_ROWS);
  const lists = [
    sourceLines(top, shares[0], style),
    portLines(top, shares[1], style),
    blockLines(top, shares[2], style),
  ];
  const lines = [
    ...headLines(top, view),
    ...lists.flatMap((lines) => lines.length === 0 ? [] : ["", ...lines]),
  ];
  return rows === Infinity ? lines : lines.slice(0, rows);
}

/** A screen's rows for lists of such lengths: what one leaves is the others'. */
export function shareRows(lengths: readonly number[], rows: number): number[] {
  if (rows === Infinity) return lengths.map((length) => Math.min(length, MOST_ROWS));
  // Where there is no room for all of them, the first have it.
  let lists = lengths.length;
  while (lists > 1 && rows < lists * (LIST_ROWS + LEAST_ROWS)) lists--;
  let left = Math.max(0, rows - LIST_ROWS * lists);
  const shares = lengths.map(() => 0);
  for (;;) {
    const hungry = lengths.slice(0, lists).flatMap((length, i) => shares[i] < length ? [i] : []);
    if (left === 0 || hungry.length === 0) return shares;
    for (const i of hungry) {
      if (left === 0) break;
      shares[i]++;
      left--;
    }
  }
}

/** Rates as a line of little bars, as many as fit. */
export function sparkline(rates: readonly number[], width: number): string {
  const shown = width <= 0 ? [] : rates.slice(-width);
  const most = Math.max(0, ...shown);
  return shown.map((rate) =>
    most === 0 ? LEVELS[0] : LEVELS[Math.ceil(rate / most * (LEVELS.length - 1))]
  ).join("");
}

function headLines(top: Top, { style, rates, failure }: TopView): string[] {
  const running = `Portsentry top  ${top.mode}  up ${roughly(top.atMs - top.startMs)}`;
  const title = `${running}  ${localMinute(top.atMs)}`;
  const sums = `probes ${grouped(top.probes)}  to services ${grouped(top.packetsToServices)}  ` +
    `lost ${grouped(top.lostBeforeReading)}` +
    (top.blockedNow === null ? "" : `  blocked ${grouped(top.blockedNow)}`);
  const rate = `rate ${rateText(top.rate)}/s  `;
  const room = style.width === Infinity ? 0 : style.width - rate.length;
  return [
    failure === undefined
      ? paint(style, "bold", line(title, style))
      : paint(style, "red", line(failure, style)),
    line(sums, style),
    line(rate, style).trimEnd() +
    (room <= 0 ? "" : `  ${paint(style, "cyan", sparkline(rates, room))}`),
  ];
}

function sourceLines({ sources, atMs }: Top, count: number, style: Style): string[] {
  const heads: Column[] = [
    { title: "SOURCE", colour: "cyan", shrinks: true, least: ADDRESS },
    { title: "RATE/s", right: true },
    { title: "PROBES", right: true },
    { title: "AGO", right: true },
    { title: "BLOCKED" },
    { title: "TOOL", shrinks: true },
  ];
  return list(style, heads, sources.slice(0, count), (one) => [
    one.name,
    rateText(one.rate),
    grouped(one.events),
    roughly(atMs - one.lastMs),
    one.blocked ? { text: "yes", colour: "red" } : "no",
    one.tool,
  ]);
}

function portLines({ ports, atMs }: Top, count: number, style: Style): string[] {
  const shown = ports.slice(0, count);
  const most = Math.max(0, ...shown.map(({ events }) => events));
  const heads: Column[] = [
    { title: "PORT" },
    { title: "RATE/s", right: true },
    { title: "PROBES", right: true },
    { title: "AGO", right: true },
    { title: "", colour: "cyan", shrinks: true },
  ];
  return list(style, heads, shown, (one) => [
    one.name,
    rateText(one.rate),
    grouped(one.events),
    roughly(atMs - one.lastMs),
    bar(style, one.events, most, BAR),
  ]);
}

function blockLines({ blocks, atMs }: Top, count: number, style: Style): string[] {
  const heads: Column[] = [
    { title: "BLOCKED", colour: "red", shrinks: true, least: ADDRESS },
    { title: "AGO", right: true },
    { title: "FOR" },
  ];
  return list(style, heads, blocks.slice(0, count), ({ host, timeMs, port }) => [
    host,
    roughly(atMs - timeMs),
    port,
  ]);
}

function list<Row>(
  style: Style,
  heads: readonly Column[],
  rows: readonly Row[],
  cellsOf: (row: Row) => Parameters<typeof columns>[2][number],
): string[] {
  return rows.length === 0 ? [] : columns(style, heads, rows.map(cellsOf));
}

function rateText(rate: number): string {
  return rate < 9.95 ? rate.toFixed(1) : grouped(Math.round(rate));
}

function line(text: string, { width }: Style): string {
  // The running program has told it.
  return cut(escapeControls(text), width);
}
