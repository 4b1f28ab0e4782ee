import assert from "node:assert/strict";
import { EventTally } from "../../src/metrics/event_tally.ts";
import { formatMetrics } from "../../src/metrics/exposition.ts";
import { type Measured, metricFamilies } from "../../src/metrics/families.ts";
import { readExposition } from "./exposition_grammar.ts";

/** A run in which everything is set up. */
function measured(changes: Partial<Measured> = {}): Measured {
  return {
    version: "1.2.3",
    mode: "stealth (pcap)",
    startMs: 1_700_000_000_000,
    packets: 10,
    services: 2,
    tally: new EventTally(),
    scans: [["vertical", 11], ["probe", 12]],
    rejects: new Map([["not IP", 3]]),
    kernelDrops: 4,
    blocks: { inForce: 1, made: 3, lifted: 2 },
    responsesUnderWay: 5,
    responsesNotRun: 6,
    logLinesLost: 7,
    notifications: { sent: 8, lost: 9, waiting: 1 },
    ...changes,
  };
}

/** Every name that a query can use. */
function queryNames(families: ReturnType<typeof readExposition>): Set<string> {
  return new Set([...families.values()].flatMap((samples) => samples.map(({ name }) => name)));
}

Deno.test("metricFamilies() keeps the rules of the text format", () => {
  const families = readExposition(formatMetrics(metricFamilies(measured())));
  const value = (name: string) => families.get(name)!.map(({ value }) => value);
  assert.deepEqual(value("portsentry_packets_total"), [10]);
  assert.deepEqual(value("process_start_time_seconds"), [1_700_000_000]);
  assert.deepEqual(value("portsentry_blocks"), [1]);
  assert.deepEqual(families.get("portsentry_build_info")![0].labels, {
    version: "1.2.3",
    mode: "stealth (pcap)",
  });
  assert.equal(families.get("portsentry_rejected_frames_total")![0].labels.reason, "not_IP");
});

Deno.test("metricFamilies() leaves out what is not set up", () => {
  const text = formatMetrics(
    metricFamilies(measured({ blocks: undefined, notifications: undefined })),
  );
  assert.doesNotMatch(text, /portsentry_(blocks|notifications)/);
  readExposition(text);
});

Deno.test("metricFamilies() never says more than a few lines, whatever was scanned", () => {
  const tally = new EventTally();
  for (let port = 1; port < 65536; port++) {
    tally.probe({
      timeMs: port,
      mode: "stealth",
      source: `10.0.${port >> 8}.${port & 0xff}`,
      destination: "192.0.2.1",
      protocol: "TCP",
      sourcePort: 40_000,
      port,
      type: `Unknown Type: ${port}`,
      ipOptions: "not set",
      verdict: 3,
      flags: { ignored: "false", triggered: "true", noblock: "true", blocked: "false" },
      tool: "unknown",
    }, port + 10);
  }
  const text = formatMetrics(metricFamilies(measured({ tally })));
  assert.ok(text.length < 8192, `${text.length} bytes`);
  assert.doesNotMatch(text, /10\.0\.|192\.0\.2/);
  assert.match(text, /portsentry_probes_total\{protocol="tcp",type="other"\} 65535/);
});

Deno.test("the Grafana dashboard asks for nothing that is not measured", () => {
  const file = new URL("../../packaging/grafana/portsentry.json", import.meta.url);
  const { panels, schemaVersion, title } = JSON.parse(Deno.readTextFileSync(file)) as {
    panels: { id: number; title: string; targets: { expr: string }[] }[];
    schemaVersion: number;
    title: string;
  };
  assert.equal(title, "Portsentry");
  assert.ok(schemaVersion >= 36);
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const known = queryNames(readExposition(formatMetrics(metricFamilies(measured()))));
  const asked = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  const names = asked.flatMap((expr) => expr.match(/\b(?:portsentry|process)_\w+/g) ?? []);
  assert.ok(names.length >= 15);
  assert.deepEqual(names.filter((name) => !known.has(name)), []);
  // What is measured and never shown would be forgotten.
  const shown = new Set(names);
  const hidden = [...known].filter((name) =>
    name.startsWith("portsentry_") && !shown.has(name) && !/_(sum|count)$/.test(name)
  );
  assert.deepEqual(hidden, []);
});
