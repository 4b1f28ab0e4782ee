/**
 * A report as one HTML page with charts. All that it needs is in it: nothing is loaded when it is looked
 * at, and its policy forbids that anything is.
 *
 * What it shows was chosen by whoever scans this host. All of it is text to the page: of a table, or of a
 * JSON object that its own script reads.
 *
 * @module
 */
import { createHash } from "node:crypto";
import chartLicence from "uplot/LICENSE" with { type: "text" };
import chartStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import chartLibrary from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import { formatLocalTime } from "../log/local_time.ts";
import pageScript from "./page.js" with { type: "text" };
import pageStyle from "./page.css" with { type: "text" };
import { cell, type Head, type Html, join, markup, piece, table } from "./markup.ts";
import { listGroups, type Listing, listSums } from "./listing.ts";
import { allOf, type Period, protocolsOf, type ReportData } from "./report_data.ts";
import { grouped, isEmpty, localMinute, NOBODY, NONE_OVER, noScanIsOver } from "./report_text.ts";

/** What the page's script draws. */
type Chart =
  | { id: string; names: string[]; values: number[]; colour: string }
  | {
    id: string;
    labels: { axis: string; full: string }[];
    /** In CSS pixels. */
    height: number;
    series: { label: string; colour: string; values: number[] }[];
  };

/** A part of the page: a heading, a chart with what is drawn, and a table of the same numbers. */
interface Part {
  title: string;
  chart: Chart | undefined;
  table: Html;
  /** Over the whole width. */
  whole?: boolean;
  /** The table tells more than the chart, and is open. */
  open?: boolean;
}

/** The whole page. */
export function reportPage(report: ReportData): string {
  const parts = partsOf(report);
  const charts = parts.flatMap(({ chart }) => chart ? [chart] : []);
  const styles = [chartStyle, pageStyle];
  // A page without charts has nothing that runs.
  const scripts = charts.length === 0 ? [] : [chartLibrary, pageScript];
  const span = `${localMinute(report.fromMs)} to ${localMinute(report.toMs)}`;
  // Its lines stay lines: line ends are controls, which text has none of.
  const chartLines = join(chartLicence.split(/\r?\n/).map((line) => piece`${line}\n`));
  return piece`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy(scripts, styles)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Portsentry report, ${span}</title>
${join(styles.map((text) => piece`<style>${markup(text)}</style>\n`))}</head>
<body>
<header>
<h1>Portsentry report</h1>
<p class="span">${span} (UTC${formatLocalTime(report.toMs).slice(-5)})</p>
${isEmpty(report) ? piece`<p>${NOBODY}.</p>` : sums(report)}
${noScanIsOver(report) ? piece`<p>${NONE_OVER}.</p>` : ""}
</header>
<main class="sections">
${join(parts.map(section))}</main>
<footer>
<p>Made by Portsentry. Probes are summed by the hour; 30 days are kept.</p>
<details><summary>The charts are drawn by uPlot</summary><pre>${chartLines}</pre></details>
</footer>
<script type="application/json" id="data">${markup(inertJson({ charts }))}</script>
${join(scripts.map((text) => piece`<script>${markup(text)}</script>\n`))}</body>
</html>
`.text;
}

/** Only what is in the page, word for word, may run or style it; nothing may be loaded. */
function policy(scripts: readonly string[], styles: readonly string[]): string {
  const allowed = (texts: readonly string[]) =>
    texts.map((text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`)
      .join(" ") || "'none'";
  return `default-src 'none'; script-src ${allowed(scripts)}; style-src ${allowed(styles)}; ` +
    "base-uri 'none'; form-action 'none'";
}

/** JSON that no word of can end the element it stands in, or begin a comment. */
function inertJson(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

function sums(report: ReportData): Html {
  const { scans, sources, blocksMade, blockedNow } = report;
  const facts = {
    "Probes": allOf(report),
    "Scans": scans,
    "Sources": sources,
    "Hosts blocked": blocksMade,
    "Blocked now": blockedNow,
  };
  const cards = Object.entries(facts).map(([name, value]) =>
    piece`<div><dt>${name}</dt><dd>${grouped(value)}</dd></div>\n`
  );
  return piece`<dl class="sums">${join(cards)}</dl>`;
}

function section({ title, chart, table, whole, open }: Part): Html {
  const label = `${title}: a chart of the table below`;
  const drawn = chart &&
    piece`<div class="chart" id="${chart.id}" role="img" aria-label="${label}"></div>\n`;
  const told = open ? table : piece`<details><summary>As a table</summary>${table}</details>`;
  return piece`<section${markup(whole ? ' class="whole"' : "")}>
<h2>${title}</h2>
${drawn ?? ""}${told}
</section>
`;
}

function partsOf(report: ReportData): Part[] {
  const { blocksMade, topSources, ports, tools, kinds, types } = report;
  const periods = [
    ...(allOf(report) === 0 ? [] : [probesByTime(report)]),
    ...(blocksMade === 0 ? [] : [blocksByTime(report)]),
  ];
  return [
    ...periods,
    ...(topSources.length === 0 ? [] : [sourcesPart(report)]),
    ...named("ports", "Top ports", listSums("Port", ports), report.otherPorts),
    ...named("types", "Packets", listSums("Type", types)),
    ...named("tools", "Tools", listGroups("Tool", tools)),
    ...named("kinds", "Kinds of scan", listGroups("Kind", kinds)),
    ...(report.lastScans.length === 0 ? [] : [scansPart(report)]),
    ...(report.blocked.length === 0 ? [] : [blockedPart(report)]),
  ];
}

function probesByTime(report: ReportData): Part {
  const { timeline, periodMs } = report;
  const protocols = protocolsOf(report);
  return {
    title: "Probes over time",
    whole: true,
    chart: {
      id: "timeline",
      height: 220,
      labels: timeline.map((period) => labelOf(period, periodMs)),
      series: protocols.map((name) => ({
        label: name.toUpperCase(),
        colour: name,
        values: timeline.map((period) => period[name]),
      })),
    },
    table: table(
      [
        { title: "From" },
        ...protocols.map((name) => ({ title: name.toUpperCase(), number: true })),
      ],
      timeline.map((period) => [
        localMinute(period.startMs),
        ...protocols.map((name) => grouped(period[name])),
      ]),
    ),
  };
}

function blocksByTime({ timeline, periodMs }: ReportData): Part {
  return {
    title: "Blocks over time",
    whole: true,
    chart: {
      id: "blocks",
      height: 140,
      labels: timeline.map((period) => labelOf(period, periodMs)),
      series: [{ label: "Hosts", colour: "block", values: timeline.map(({ blocks }) => blocks) }],
    },
    table: table(
      [{ title: "From" }, { title: "Hosts blocked", number: true }],
      timeline.map(({ startMs, blocks }) => [localMinute(startMs), grouped(blocks)]),
    ),
  };
}

/** Times are this host's, wherever the page is looked at. */
function labelOf({ startMs }: Period, periodMs: number): { axis: string; full: string } {
  const full = localMinute(startMs);
  return { axis: periodMs < 24 * 3_600_000 ? full.slice(11) : full.slice(5, 10), full };
}

function sourcesPart({ topSources }: ReportData): Part {
  return {
    title: "Top sources",
    whole: true,
    open: true,
    chart: {
      id: "sources",
      names: topSources.map(({ source }) => source),
      values: topSources.map(({ packets }) => packets),
      colour: "bar",
    },
    table: table(
      [
        { title: "Source" },
        { title: "Packets", number: true },
        { title: "Scans", number: true },
        { title: "Ports", number: true },
        { title: "Hosts", number: true },
        { title: "Blocked" },
        { title: "Last seen", word: true },
        { title: "Kind", long: true },
        { title: "Tool", long: true },
      ],
      topSources.map((one) => [
        one.source,
        grouped(one.packets),
        grouped(one.scans),
        grouped(one.ports),
        grouped(one.targets),
        blockedCell(one.blocked),
        localMinute(one.lastMs),
        one.kinds.join(", "),
        one.tools.join(", "),
      ]),
    ),
  };
}

function named(id: string, title: string, { heads, rows }: Listing, others = 0): Part[] {
  if (rows.length === 0) return [];
  const [head, ...titles] = heads;
  const cells = rows.map(({ name, numbers }) => [name, ...numbers.map(grouped)]);
  if (others > 0) cells.push(["all others", grouped(others)]);
  return [{
    title,
    chart: {
      id,
      names: rows.map(({ name }) => name),
      values: rows.map(({ numbers }) => numbers[0]),
      colour: "bar",
    },
    table: table([{ title: head }, ...titles.map((title) => ({ title, number: true }))], cells),
  }];
}

function scansPart({ lastScans }: ReportData): Part {
  const heads: Head[] = [
    { title: "Source" },
    { title: "Ended", word: true },
    { title: "Kind" },
    { title: "Packets", number: true },
    { title: "Ports", number: true },
    { title: "Hosts", number: true },
    { title: "Blocked" },
    { title: "Tool", long: true },
    { title: "Some ports", long: true },
  ];
  return {
    title: "Last scans",
    whole: true,
    open: true,
    chart: undefined,
    table: table(
      heads,
      lastScans.map((one) => [
        one.source,
        localMinute(one.lastMs),
        one.kind,
        grouped(one.packets),
        grouped(one.ports),
        grouped(one.targets),
        blockedCell(one.blocked),
        one.tool,
        one.samplePorts.join(" "),
      ]),
    ),
  };
}

function blockedPart({ blocked, blockedNow }: ReportData): Part {
  const rest = blockedNow - blocked.length;
  return {
    title: rest > 0
      ? `Blocked now: the last ${blocked.length} of ${grouped(blockedNow)}`
      : "Blocked now",
    whole: true,
    open: true,
    chart: undefined,
    table: table(
      [
        { title: "Host" },
        { title: "Since", word: true },
        { title: "Until", word: true },
        { title: "Times", number: true },
        { title: "Reason", long: true },
      ],
      blocked.map(({ host, startMs, endMs, count, reason }) => [
        host,
        localMinute(startMs),
        endMs === undefined ? "it is unblocked" : localMinute(endMs),
        grouped(count),
        reason,
      ]),
    ),
  };
}

function blockedCell(blocked: boolean): Html | string {
  return blocked ? cell("yes", "yes") : "no";
}
