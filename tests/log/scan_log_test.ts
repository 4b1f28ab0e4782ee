import assert from "node:assert/strict";
import type { ScanSummary } from "../../src/event/scan_summary.ts";
import { JsonLines } from "../../src/log/event_json.ts";
import { EventLog } from "../../src/log/event_log.ts";
import { History } from "../../src/log/history.ts";
import type { LogFormat, LogOutput } from "../../src/log/log_output.ts";
import { Logger } from "../../src/log/logger.ts";
import { ScanLog } from "../../src/log/scan_log.ts";
import { formatSummary } from "../../src/log/summary_line.ts";
import { validLine } from "./events_schema.ts";

const SUMMARY: ScanSummary = {
  source: "192.0.2.9",
  kind: "vertical",
  tool: "nmap SYN",
  firstMs: Date.UTC(2026, 10, 22, 18, 21, 14, 160),
  lastMs: Date.UTC(2026, 10, 22, 18, 21, 15, 410),
  packets: 1000,
  ports: 998,
  targets: 1,
  samplePorts: ["tcp/23", "tcp/111", "udp/161"],
  blocked: false,
};
const PROBE: ScanSummary = { ...SUMMARY, kind: "probe", packets: 1, lastMs: SUMMARY.firstMs };

/** A time as the line has it, whatever the time zone. */
function local(timeMs: number): string {
  const [, text, zone] = /first: \[(.*?)([+-]\d{4})\]/.exec(
    formatSummary({ ...SUMMARY, firstMs: timeMs }),
  )!;
  assert.equal(Date.parse(`${text}${zone}`), timeMs);
  return text + zone;
}

Deno.test("formatSummary() writes the documented line", () => {
  const manual = Deno.readTextFileSync(new URL("../../docs/portsentry.8.md", import.meta.url));
  const [, shown] = /^```\n(Scan summary: [^`]+)\n```$/m.exec(manual)!;
  const line = shown.replaceAll(/\n +/g, " ")
    .replace("2026-11-22T18:21:14.160+0000", local(SUMMARY.firstMs))
    .replace("2026-11-22T18:21:15.410+0000", local(SUMMARY.lastMs));
  assert.equal(formatSummary(SUMMARY), line);
});

const RATES: [packets: number, spanMs: number, text: string][] = [
  [1, 0, "0"],
  [1000, 0, "999000"],
  [1000, 1000, "999"],
  [12, 1000, "11"],
  [11, 1003, "10"],
  [3, 600_000, "0.0033"],
  [3, 86_400_000, "0.000023"],
  [4_294_967_295, 86_400_000, "49710"],
];

Deno.test("formatSummary() tells rates as a person reads them", () => {
  for (const [packets, spanMs, text] of RATES) {
    const line = formatSummary({ ...SUMMARY, packets, lastMs: SUMMARY.firstMs + spanMs });
    assert.match(line, new RegExp(` rate: \\[${text} a second\\] `));
  }
});

/** Remembers lines behind their level. */
class Lines implements LogOutput {
  readonly name = "lines";
  readonly state = { lost: 0, failure: undefined };
  readonly isBehind = false;
  readonly lines: string[] = [];
  line(text: string, level: string): void {
    this.lines.push(`${level}: ${text}`);
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** What the log and the history are told of two scans. */
async function told(format: LogFormat, historyFormat: LogFormat, verbose: boolean) {
  const path = Deno.makeTempFileSync();
  const json = new JsonLines("1.2.3");
  const output = new Lines();
  const eventLog = new EventLog([output], format, json);
  const log = new Logger({
    outputs: [output],
    verbose,
    debug: false,
    json: format === "json" ? json : undefined,
  });
  eventLog.history = new History(path);
  eventLog.history.format = historyFormat;
  new ScanLog(eventLog, log).tell([SUMMARY, PROBE]);
  await eventLog.history.close();
  const history = Deno.readTextFileSync(path).split("\n").slice(0, -1);
  Deno.removeSync(path);
  return { lines: output.lines, history };
}

for (const verbose of [false, true]) {
  const how = verbose ? "and of probes with -v" : "but not of probes";
  const expected = [SUMMARY, ...(verbose ? [PROBE] : [])];
  const levels = ["notice", "verbose"] as const;

  Deno.test(`ScanLog tells of scans in lines, ${how}, and a classic history nothing`, async () => {
    const { lines, history } = await told("classic", "classic", verbose);
    assert.deepEqual(lines, expected.map((one, i) => `${levels[i]}: ${formatSummary(one)}`));
    assert.deepEqual(history, []);
  });

  Deno.test(`ScanLog tells of scans in JSON, ${how}, and a history of JSON as well`, async () => {
    const { lines, history } = await told("json", "json", verbose);
    const json = new JsonLines("1.2.3");
    const wanted = expected.map((one, i) => json.summary(one, levels[i]));
    assert.deepEqual(lines, wanted.map((line, i) => `${levels[i]}: ${line}`));
    assert.deepEqual(history, wanted);
    assert.deepEqual(
      history.map((line) => validLine(line).log.level),
      ["notice", "info"].slice(0, expected.length),
    );
  });
}
