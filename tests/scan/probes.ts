/**
 * Probes for the tests of scan sessions, and a tracker that remembers what it was told.
 *
 * @module
 */
import type { ScanSummary } from "../../src/event/scan_summary.ts";
import { Packet, Protocol } from "../../src/packet/packet.ts";
import { ScanTracker, type ScanTrackerParts } from "../../src/scan/scan_tracker.ts";

export const START_MS = Date.UTC(2026, 10, 22, 18, 21, 14, 160);
export const WINDOW_MS = 600_000;

/** What a probe is like; times are in milliseconds since the first one. */
export interface Probe {
  /** The source's number, and our address'. */
  from?: number;
  to?: number;
  port?: number;
  protocol?: Protocol;
  version?: 4 | 6;
  atMs?: number;
}

const reused = new Packet();

/** A packet as capture gives it; the next call overwrites it. */
export function probe(
  { from = 1, to = 1, port = 23, protocol = Protocol.Tcp, version = 4, atMs = 0 }: Probe = {},
): Packet {
  const length = version === 4 ? 4 : 16;
  reused.source.fill(0);
  reused.destination.fill(0);
  new DataView(reused.source.buffer).setUint32(length - 4, from);
  new DataView(reused.destination.buffer).setUint32(length - 4, to);
  return Object.assign(reused, {
    version,
    protocol,
    destinationPort: port,
    timeMs: START_MS + atMs,
    readMs: atMs,
  });
}

/** The address of a source, as it is told. */
export function sourceText(from: number): string {
  return [24, 16, 8, 0].map((shift) => from >>> shift & 0xff).join(".");
}

/** A tracker and all it has told. */
export function tracker(
  parts: Partial<ScanTrackerParts> = {},
): { scans: ScanTracker; ended: ScanSummary[] } {
  const ended: ScanSummary[] = [];
  const scans = new ScanTracker({
    entries: 4096,
    windowMs: WINDOW_MS,
    tools: { reset: () => {}, note: () => {}, toolOf: () => "unknown" },
    isBlocked: () => false,
    onEnded: (summaries) => ended.push(...summaries),
    ...parts,
  });
  return { scans, ended };
}
