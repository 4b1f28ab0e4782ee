import assert from "node:assert/strict";
import fc from "fast-check";
import { Verdict } from "../../src/detector/verdict.ts";
import {
  type EventFlags,
  type Flag,
  type ScanEvent,
  tcpScanType,
} from "../../src/event/scan_event.ts";
import { SCAN_KINDS, type ScanSummary } from "../../src/event/scan_summary.ts";
import { OUTPUT_LINE_CHARACTERS } from "../../src/limits.ts";
import { JsonLines } from "../../src/log/event_json.ts";
import { EventLog } from "../../src/log/event_log.ts";
import { formatEvent } from "../../src/log/event_line.ts";
import { History } from "../../src/log/history.ts";
import type { Level, LogOutput } from "../../src/log/log_output.ts";
import { validLine } from "./events_schema.ts";

const FLAGS: EventFlags = {
  ignored: "false",
  triggered: "true",
  noblock: "true",
  blocked: "false",
};
const EVENT: ScanEvent = {
  timeMs: Date.UTC(2026, 10, 22, 18, 21, 14, 160),
  mode: "stealth",
  source: "192.0.2.9",
  destination: "192.0.2.1",
  protocol: "TCP",
  sourcePort: 40_000,
  port: 23,
  type: "TCP SYN/Normal scan",
  ipOptions: "not set",
  verdict: Verdict.LogOnly,
  flags: FLAGS,
  tool: "unknown",
};
const HEAD = '{"@timestamp":"2026-11-22T18:21:14.160Z",';
const OBSERVER = '"observer":{"product":"portsentry","type":"ids","version":"1.2.3"},' +
  '"ecs":{"version":"8.17.0"}';

Deno.test("JsonLines.event() writes the documented line", () => {
  const line = new JsonLines("1.2.3").event(EVENT, EVENT.source, EVENT.flags);
  assert.equal(
    line,
    `${HEAD}"source":{"ip":"192.0.2.9","port":40000},"destination":{"ip":"192.0.2.1","port":23},` +
      '"network":{"transport":"tcp","type":"ipv4"},' +
      '"event":{"kind":"alert","category":["intrusion_detection","network"],"type":["info"],' +
      '"action":"probe","module":"portsentry","dataset":"portsentry.event"},' +
      `"log":{"level":"notice"},${OBSERVER},` +
      '"portsentry":{"schema":1,"mode":"stealth","type":"TCP SYN/Normal scan",' +
      '"ip_options":"not set","ignored":false,"triggered":true,"noblock":true,"blocked":false,' +
      '"tool":null}}',
  );
});

Deno.test("JsonLines.message() writes the documented line", () => {
  const line = new JsonLines("1.2.3").message("a\n\x9b31m\u2028\x7f\\", "verbose", EVENT.timeMs);
  assert.equal(
    line,
    `${HEAD}"log":{"level":"info"},"message":"a\\n\\u009b31m\\u2028\\u007f\\\\",` +
      '"event":{"kind":"event","module":"portsentry","dataset":"portsentry.log"},' +
      `${OBSERVER},"portsentry":{"schema":1}}`,
  );
});

const flag = fc.constantFrom<Flag>("true", "false", "unset");
const ipv4 = fc.ipV4();
const ipv6 = fc.constantFrom("2001:db8::9", "::", "fe80::1");
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units)),
);
const event: fc.Arbitrary<ScanEvent> = fc.record({
  timeMs: fc.date({
    min: new Date(0),
    max: new Date("9999-12-31T23:59:59.999Z"),
    noInvalidDate: true,
  })
    .map((date) => date.getTime()),
  mode: fc.constantFrom("stealth", "connect"),
  source: fc.oneof(ipv4, ipv6),
  destination: fc.oneof(ipv4, ipv6),
  protocol: fc.constantFrom("TCP", "UDP", "ICMP"),
  sourcePort: fc.nat(65_535),
  port: fc.nat(65_535),
  type: fc.oneof(fc.nat(255).map(tcpScanType), fc.constant("UDP"), fc.constant("Connect"), text),
  ipOptions: fc.constantFrom("set", "not set", "unknown"),
  verdict: fc.constantFrom(...Object.values(Verdict)),
  flags: fc.record({ ignored: flag, triggered: flag, noblock: flag, blocked: flag }),
  tool: fc.oneof(fc.constantFrom("unknown", "nmap SYN"), text),
});

Deno.test("JsonLines.event() says all of an event, whatever came before, as the schema has it", () => {
  const json = new JsonLines("1.2.3");
  const bytes = new Uint8Array(8192);
  const boolOf = { true: true, false: false, unset: null };
  fc.assert(
    fc.property(event, fc.option(text), (event, name) => {
      const host = name ?? event.source;
      const line = json.event(event, host, event.flags);
      const length = json.writeEvent(event, host, event.flags, bytes);
      assert.equal(new TextDecoder().decode(bytes.subarray(0, length)), line);
      const { source, destination, network, portsentry, ...rest } = validLine(line);
      assert.equal(Date.parse(rest["@timestamp"]), event.timeMs);
      assert.deepEqual(source, {
        ip: event.source,
        port: event.sourcePort,
        ...(host !== event.source && { domain: host }),
      });
      assert.deepEqual(destination, { ip: event.destination, port: event.port });
      const six = event.source.includes(":");
      const keyword = event.protocol === "ICMP" && six ? "ipv6-icmp" : event.protocol.toLowerCase();
      assert.equal(network.transport, keyword);
      assert.equal(network.type, six ? "ipv6" : "ipv4");
      const { ignored, triggered, noblock, blocked } = event.flags;
      assert.deepEqual(portsentry, {
        schema: 1,
        mode: event.mode,
        type: event.type,
        ip_options: event.ipOptions,
        ignored: boolOf[ignored],
        triggered: boolOf[triggered],
        noblock: boolOf[noblock],
        blocked: boolOf[blocked],
        tool: event.tool === "unknown" ? null : event.tool,
      });
      assert.equal(
        rest.event.kind,
        ignored === "false" && triggered === "true" ? "alert" : "event",
      );
    }),
    { numRuns: 5000 },
  );
});

const summary: fc.Arbitrary<ScanSummary> = fc.record({
  source: fc.oneof(ipv4, ipv6),
  kind: fc.constantFrom(...SCAN_KINDS.filter((kind) => kind !== "distributed")),
  tool: fc.oneof(fc.constantFrom("unknown", "nmap SYN"), text),
  firstMs: fc.nat(2 ** 31),
  lastMs: fc.integer({ min: 2 ** 31, max: 2 ** 32 }),
  packets: fc.integer({ min: 1, max: 2 ** 32 }),
  ports: fc.nat(131_071),
  targets: fc.integer({ min: 1, max: 4096 }),
  samplePorts: fc.array(fc.constantFrom("tcp/1", "udp/65535", "icmp"), { maxLength: 16 }),
  blocked: fc.boolean(),
});

Deno.test("JsonLines.summary() says all of a scan, as the schema has it", () => {
  const json = new JsonLines("1.2.3");
  const sources = fc.option(fc.integer({ min: 1, max: 1_000_000 }), { nil: undefined });
  fc.assert(fc.property(summary, sources, (one, sources) => {
    const told: ScanSummary = sources === undefined
      ? one
      : { ...one, kind: "distributed", source: `${sources} sources`, sources };
    const { source, event, portsentry, log, ...rest } = validLine(json.summary(told, "notice"));
    assert.equal(source?.ip, sources === undefined ? one.source : undefined);
    assert.equal(log.level, "notice");
    assert.equal(Date.parse(rest["@timestamp"]), one.lastMs);
    assert.equal(Date.parse(event.start), one.firstMs);
    assert.equal(Date.parse(event.end), one.lastMs);
    assert.equal(event.duration, (one.lastMs - one.firstMs) * 1e6);
    const { rate, ...scan } = portsentry.scan;
    assert.ok(
      Math.abs(rate * (one.lastMs - one.firstMs) / 1000 - one.packets + 1) <= one.packets / 1000,
    );
    assert.deepEqual(scan, {
      kind: told.kind,
      sources: sources ?? 1,
      packets: one.packets,
      ports: one.ports,
      targets: one.targets,
      sample_ports: one.samplePorts,
    });
    assert.equal(portsentry.tool, one.tool === "unknown" ? null : one.tool);
    assert.equal(portsentry.blocked, one.blocked);
  }));
});

Deno.test("JsonLines.message() says any text on one line that a terminal can show", () => {
  const json = new JsonLines("1.2.3");
  const level = fc.constantFrom<Level>("error", "notice", "verbose", "debug");
  fc.assert(
    fc.property(text, level, (text, level) => {
      const line = json.message(text, level, EVENT.timeMs);
      // deno-lint-ignore no-control-regex -- these are what is looked for
      assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u2028\u2029]/);
      assert.equal(validLine(line).message, text);
    }),
    { numRuns: 5000 },
  );
});

Deno.test("JsonLines.message() cuts a text that no output takes whole", () => {
  const json = new JsonLines("1.2.3");
  for (const letter of ["x", "\0", "\ud800", "ä"]) {
    const text = letter.repeat(20_000);
    const line = json.message(text, "error", EVENT.timeMs);
    assert.ok(line.length <= OUTPUT_LINE_CHARACTERS);
    const { message } = validLine(line);
    assert.ok(message.length > 2000 && text.startsWith(message));
  }
});

/** Remembers lines. */
class Lines implements LogOutput {
  readonly name = "lines";
  readonly state = { lost: 0, failure: undefined };
  readonly isBehind = false;
  text = "";
  line(text: string): void {
    this.text += `${text}\n`;
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Takes bytes, too. */
class Bytes extends Lines {
  append(bytes: Uint8Array, start: number, end: number): void {
    this.text += new TextDecoder().decode(bytes.subarray(start, end));
  }
}

for (const format of ["classic", "json"] as const) {
  for (const historyFormat of ["classic", "json"] as const) {
    Deno.test(`EventLog tells in ${format}, and in the history in ${historyFormat}`, async () => {
      const path = Deno.makeTempFileSync();
      const json = new JsonLines("1.2.3");
      const outputs = [new Lines(), new Bytes()];
      const log = new EventLog(outputs, format, json);
      const lines = {
        classic: `${formatEvent(EVENT, "a.example", FLAGS)}\n`,
        json: `${json.event(EVENT, "a.example", FLAGS)}\n`,
      };
      log.history = new History(path);
      log.history.format = historyFormat;
      log.tell(EVENT, "a.example", FLAGS);
      await log.history.close();
      for (const { text } of outputs) assert.equal(text, lines[format]);
      const history = Deno.readTextFileSync(path);
      if (historyFormat === "json") assert.equal(history, lines.json);
      else assert.equal(history.slice("2026-11-22T18:21:14.160+0000 ".length), lines.classic);
      Deno.removeSync(path);
    });
  }
}
