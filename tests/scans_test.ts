import assert from "node:assert/strict";
import { defaultConfig } from "../src/config/config.ts";
import { Verdict } from "../src/detector/verdict.ts";
import type { ScanSummary } from "../src/event/scan_summary.ts";
import type { ScanLog } from "../src/log/scan_log.ts";
import { Scans } from "../src/scans.ts";
import { probe, sourceText } from "./scan/probes.ts";

function blockedAtTheEnd(note: (scans: Scans) => void): boolean[] {
  const told: ScanSummary[] = [];
  const log = { tell: (summaries: ScanSummary[]) => told.push(...summaries) };
  // Nothing is blocked any more, as far as the firewall knows.
  const scans = new Scans(defaultConfig(""), log as unknown as ScanLog, () => ({}));
  for (let port = 1; port <= 3; port++) scans.take(probe({ port }), Verdict.Respond);
  note(scans);
  scans.end();
  return told.map(({ blocked }) => blocked);
}

Deno.test("Scans tells of a host that a command has blocked that it is blocked", () => {
  assert.deepEqual(blockedAtTheEnd((scans) => scans.noteBlocked(sourceText(1))), [true]);
});

Deno.test("Scans tells of a block of the firewall only as long as that lasts", () => {
  assert.deepEqual(blockedAtTheEnd(() => {}), [false]);
});
