import assert from "node:assert/strict";
import { defaultConfig } from "../src/config/config.ts";
import { Verdict } from "../src/detector/verdict.ts";
import type { ScanSummary } from "../src/event/scan_summary.ts";
import type { ScanLog } from "../src/log/scan_log.ts";
import { Scans } from "../src/scans.ts";
import type { BlockRecord } from "../src/state/state_file.ts";
import { probe, sourceText } from "./scan/probes.ts";

function blockedAtTheEnd(block: BlockRecord | undefined): boolean[] {
  const told: ScanSummary[] = [];
  const log = { tell: (summaries: ScanSummary[]) => told.push(...summaries) };
  // Nothing is blocked any more, as far as the firewall knows.
  const scans = new Scans(defaultConfig(""), log as unknown as ScanLog, () => ({}));
  for (let port = 1; port <= 3; port++) scans.take(probe({ port }), Verdict.Respond);
  scans.noteBlocked(sourceText(1), block);
  scans.end();
  return told.map(({ blocked }) => blocked);
}

Deno.test("Scans tells of a host that a command has blocked that it is blocked", () => {
  assert.deepEqual(blockedAtTheEnd(undefined), [true]);
});

Deno.test("Scans tells of a block of the firewall only as long as that lasts", () => {
  const block = { host: sourceText(1), startMs: 0, endMs: 1000, reason: "", count: 1 };
  assert.deepEqual(blockedAtTheEnd(block), [false]);
});
