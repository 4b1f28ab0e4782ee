/**
 * The line of a scan that has ended. No filter of events takes it for one.
 *
 * @module
 */
import { rateOf, type ScanSummary } from "../event/scan_summary.ts";
import { formatLocalTime } from "./local_time.ts";

/** `Scan summary: from: [192.0.2.9] kind: [vertical] …`, without an end of line. */
export function formatSummary(summary: ScanSummary): string {
  const { source, kind, tool, packets, ports, targets, firstMs, lastMs } = summary;
  const { blocked, samplePorts } = summary;
  return `Scan summary: from: [${source}] kind: [${kind}] tool: [${tool}] packets: [${packets}] ` +
    `ports: [${ports}] targets: [${targets}] first: [${formatLocalTime(firstMs)}] ` +
    `last: [${formatLocalTime(lastMs)}] rate: [${rateText(rateOf(summary))} a second] ` +
    `blocked: [${blocked}] sample: [${samplePorts.join(",")}]`;
}

/** Two digits at least, and no more than a person reads: `12345`, `9.8`, `0.0033`. */
function rateText(rate: number): string {
  return rate >= 10 ? String(Math.round(rate)) : String(Number(rate.toPrecision(2)));
}
