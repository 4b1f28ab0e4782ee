/**
 * What Prometheus' own promtool thinks of the metrics. It is 48 MB large, so `make test-extra` runs this and
 * the suite does not: there tests/metrics/exposition_grammar.ts holds the same rules.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { EventTally } from "../../src/metrics/event_tally.ts";
import { formatMetrics } from "../../src/metrics/exposition.ts";
import { metricFamilies } from "../../src/metrics/families.ts";

const PROMTOOL = fileURLToPath(
  new URL("../../.tools/debian/prometheus/usr/bin/promtool", import.meta.url),
);

async function promtool(text: string): Promise<{ code: number; said: string }> {
  const child = new Deno.Command(PROMTOOL, {
    args: ["check", "metrics"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, said: decoder.decode(stdout) + decoder.decode(stderr) };
}

Deno.test("promtool finds nothing wrong with what METRICS answers", async () => {
  const text = formatMetrics(metricFamilies({
    version: "1.2.3",
    mode: "stealth (pcap)",
    startMs: Date.now(),
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
  }));
  assert.deepEqual(await promtool(text), { code: 0, said: "" });
});

Deno.test("promtool would have found something wrong", async () => {
  const { code } = await promtool("# TYPE a counter\na{b=c} 1\n");
  assert.notEqual(code, 0);
});
