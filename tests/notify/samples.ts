/**
 * Things to notify of.
 *
 * @module
 */
import { type NotifyTarget, parseNotifyUrls } from "../../src/config/notify_url.ts";
import { Verdict } from "../../src/detector/verdict.ts";
import type { ScanEvent } from "../../src/event/scan_event.ts";
import { type ScanSummary, UNKNOWN_TOOL } from "../../src/event/scan_summary.ts";
import type { Notice } from "../../src/notify/notice.ts";

export const TIME_MS = Date.UTC(2026, 10, 22, 18, 21, 14, 160);
export const OBSERVER = { host: "gate", version: "1.2.3" };

export function target(url: string): NotifyTarget {
  const parsed = parseNotifyUrls(url);
  if ("faults" in parsed) throw new Error(parsed.faults.join());
  return parsed.targets[0];
}

export function event(source: string, changes: Partial<ScanEvent> = {}): ScanEvent {
  return {
    timeMs: TIME_MS,
    mode: "stealth",
    source,
    destination: "192.0.2.1",
    protocol: "TCP",
    sourcePort: 40_000,
    port: 23,
    type: "TCP SYN/Normal scan",
    ipOptions: "not set",
    verdict: Verdict.Respond,
    tool: UNKNOWN_TOOL,
    flags: { ignored: "false", triggered: "true", noblock: "false", blocked: "unset" },
    ...changes,
  };
}

export function scan(source: string, changes: Partial<ScanSummary> = {}): ScanSummary {
  return {
    source,
    kind: "vertical",
    tool: "nmap SYN",
    firstMs: TIME_MS - 123_000,
    lastMs: TIME_MS,
    packets: 1003,
    ports: 1000,
    targets: 1,
    samplePorts: Array.from({ length: 20 }, (_, i) => `tcp/${i + 1}`),
    blocked: false,
    ...changes,
  };
}

export function block(source: string, name?: string): Notice & { kind: "block" | "dry-run" } {
  return {
    kind: "block",
    timeMs: TIME_MS,
    source,
    name,
    probe: { protocol: "tcp", port: 23, type: "TCP SYN/Normal scan", destination: "192.0.2.1" },
    block: { host: source, startMs: TIME_MS, endMs: TIME_MS + 3_600_000, count: 1 },
  };
}
