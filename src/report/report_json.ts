/**
 * A report as one JSON object, for programs.
 *
 * @module
 */
import type { ReportData } from "./report_data.ts";

/** Times are in ISO 8601, and everything else as {@link ReportData} has it. */
export function reportJson(report: ReportData): Record<string, unknown> {
  return {
    from: time(report.fromMs),
    to: time(report.toMs),
    probes: { tcp: report.tcp, udp: report.udp, icmp: report.icmp },
    scans: report.scans,
    packets: report.packets,
    sources: report.sources,
    blocksMade: report.blocksMade,
    blockedNow: report.blockedNow,
    timeline: report.timeline.map(({ startMs, ...sums }) => ({ from: time(startMs), ...sums })),
    topSources: report.topSources.map(({ firstMs, lastMs, ...source }) => ({
      ...source,
      first: time(firstMs),
      last: time(lastMs),
    })),
    topPorts: report.ports.map(({ name, events }) => ({ port: name, probes: events })),
    otherPorts: report.otherPorts,
    types: report.types.map(({ name, events }) => ({ type: name, probes: events })),
    tools: report.tools.map(({ name, ...sums }) => ({ tool: name, ...sums })),
    kinds: report.kinds.map(({ name, ...sums }) => ({ kind: name, ...sums })),
    lastScans: report.lastScans.map(({ firstMs, lastMs, ...scan }) => ({
      ...scan,
      first: time(firstMs),
      last: time(lastMs),
    })),
    blocked: report.blocked.map(({ startMs, endMs, ...block }) => ({
      ...block,
      since: time(startMs),
      ends: endMs === undefined ? null : time(endMs),
    })),
  };
}

function time(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
