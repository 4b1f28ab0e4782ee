import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { REPORT_BARS, REPORT_ROWS } from "../../src/limits.ts";
import { NoReports, readReport } from "../../src/report/report_data.ts";
import { isEmpty } from "../../src/report/report_text.ts";
import { reportJson } from "../../src/report/report_json.ts";
import { ForeignStateFile, isDamaged } from "../../src/state/database.ts";
import { ScanStore } from "../../src/state/scan_store.ts";
import { block, HOUR_MS, NOW_MS, scan, withFile, write } from "./scanned.ts";

const DAY_MS = 24 * HOUR_MS;

Deno.test("readReport() sums events by protocol, port, type and hour", () => {
  withFile((path) => {
    write(path, 30, ["tcp/9999"], [], 7);
    write(path, 2, ["tcp/23", "tcp/23", "udp/53"], [], 1);
    write(path, 0, ["tcp/23", "tcp/8", "tcp/443"]);
    const report = readReport(path, NOW_MS - DAY_MS, NOW_MS);
    assert.deepEqual([report.tcp, report.udp, report.blocksMade], [5, 1, 1]);
    assert.deepEqual(report.ports, [
      { name: "tcp/23", events: 3 },
      { name: "tcp/8", events: 1 },
      { name: "tcp/443", events: 1 },
      { name: "udp/53", events: 1 },
    ]);
    assert.equal(report.otherPorts, 0);
    assert.deepEqual(report.types, [
      { name: "TCP SYN/Normal scan", events: 5 },
      { name: "UDP", events: 1 },
    ]);
    assert.equal(report.fromMs, Date.UTC(2026, 10, 21, 12));
    assert.equal(report.timeline.length, 25);
    const [before, , now] = report.timeline.slice(-3);
    assert.deepEqual(before, {
      startMs: Date.UTC(2026, 10, 22, 10),
      tcp: 2,
      udp: 1,
      icmp: 0,
      blocks: 1,
    });
    assert.deepEqual([now.tcp, now.udp], [3, 0]);
  });
});

Deno.test("readReport() counts ports that it does not name among the others", () => {
  withFile((path) => {
    const ports = Array.from({ length: 80 }, (_, i) => `tcp/${i + 1}`);
    write(path, 0, [...ports, ...ports, "udp/1"]);
    const report = readReport(path, NOW_MS - DAY_MS, NOW_MS);
    assert.equal(report.ports.length, REPORT_ROWS);
    assert.equal(report.otherPorts, 161 - 2 * REPORT_ROWS);
  });
});

Deno.test("readReport() takes hours together until the bars are few, and loses no event", () => {
  withFile((path) => {
    for (const hours of [1, 27, 100, 300, 700]) write(path, hours, ["tcp/1"]);
    for (let days = 1; days <= 30; days++) {
      const { timeline, periodMs, tcp } = readReport(path, NOW_MS - days * DAY_MS, NOW_MS);
      assert.ok(timeline.length <= REPORT_BARS + 1, `${days} days: ${timeline.length} bars`);
      assert.equal(timeline.reduce((sum, one) => sum + one.tcp, 0), tcp, `${days} days`);
      assert.ok(timeline.at(-1)!.startMs <= NOW_MS);
      assert.ok(timeline.at(-1)!.startMs + periodMs > NOW_MS);
    }
  });
});

Deno.test("readReport() takes the scans of a source together", () => {
  withFile((path) => {
    write(path, 0, [], [
      scan(60_000, { packets: 10, ports: 5, tool: "masscan" }),
      scan(30_000, { packets: 20, ports: 2, blocked: true }),
      scan(10_000, { source: "192.0.2.7", packets: 500, kind: "sweep", targets: 9 }),
      scan(5_000, { source: "37 sources", kind: "distributed", packets: 9000, tool: "unknown" }),
      scan(30 * HOUR_MS, { source: "192.0.2.1", packets: 99_999 }),
    ]);
    const report = readReport(path, NOW_MS - DAY_MS, NOW_MS);
    assert.deepEqual([report.scans, report.packets, report.sources], [4, 9530, 2]);
    const [first, second, ...rest] = report.topSources;
    assert.deepEqual(rest, []);
    assert.deepEqual([first.source, first.targets, first.blocked], ["192.0.2.7", 9, false]);
    assert.deepEqual([second.scans, second.packets, second.ports], [2, 30, 5]);
    assert.equal(second.blocked, true);
    assert.deepEqual(second.tools.toSorted(), ["masscan", "nmap SYN"]);
    assert.equal(second.lastMs, NOW_MS - 30_000);
    assert.deepEqual(report.tools, [
      { name: "nmap SYN", scans: 2, packets: 520 },
      { name: "unknown", scans: 1, packets: 9000 },
      { name: "masscan", scans: 1, packets: 10 },
    ]);
    assert.deepEqual(report.kinds.map(({ name }) => name), ["vertical", "distributed", "sweep"]);
    assert.deepEqual(report.lastScans.map(({ source }) => source), [
      "37 sources",
      "192.0.2.7",
      "192.0.2.9",
      "192.0.2.9",
    ]);
  });
});

Deno.test("readReport() tells the blocks in force, the latest first", () => {
  withFile((path) => {
    write(path, 0, []);
    block(path, { "192.0.2.1": -1, "192.0.2.2": 1000, "192.0.2.3": undefined });
    const report = readReport(path, NOW_MS - DAY_MS, NOW_MS);
    assert.equal(report.blockedNow, 2);
    assert.deepEqual(report.blocked.map(({ host }) => host), ["192.0.2.3", "192.0.2.2"]);
    const { blocked } = reportJson(report) as { blocked: { ends: string | null }[] };
    assert.deepEqual(blocked.map(({ ends }) => ends), [null, "2026-11-22T12:30:01.000Z"]);
  });
});

Deno.test("readReport() reads while a run writes", () => {
  withFile((path) => {
    const store = new ScanStore(path, { error: assert.fail, notice: () => {} }, NOW_MS);
    store.add([scan(0)]);
    store.write(NOW_MS);
    assert.equal(readReport(path, NOW_MS - DAY_MS, NOW_MS).scans, 1);
    store.add([scan(0), scan(0)]);
    store.write(NOW_MS);
    assert.equal(readReport(path, NOW_MS - DAY_MS, NOW_MS).scans, 3);
    store.close();
  });
});

Deno.test("readReport() of a file without anything in it is empty", () => {
  withFile((path) => {
    write(path, 0, []);
    assert.ok(isEmpty(readReport(path, NOW_MS - DAY_MS, NOW_MS)));
  });
});

Deno.test("readReport() tells files apart that it can make nothing of", () => {
  withFile((path) => {
    const read = () => readReport(path, NOW_MS - DAY_MS, NOW_MS);
    const database = new DatabaseSync(path);
    assert.throws(read, NoReports);
    database.exec("CREATE TABLE t (a)");
    assert.throws(read, ForeignStateFile);
    // As the version before reports has left it.
    database.exec(`PRAGMA application_id = ${0x5053_656e}; PRAGMA user_version = 1`);
    assert.throws(read, NoReports);
    database.exec("PRAGMA user_version = 1000");
    assert.throws(read, ForeignStateFile);
    database.close();
    Deno.writeTextFileSync(path, "SQLite format 3\0".repeat(1000));
    assert.throws(read, (error) => isDamaged(error));
    Deno.writeTextFileSync(path, "no database at all".repeat(1000));
    assert.throws(read, ForeignStateFile);
  });
});

Deno.test("readReport() gives dates, whatever times the file holds", () => {
  withFile((path) => {
    write(path, 0, ["tcp/23"], [scan(0, { firstMs: -(2 ** 53) + 1, lastMs: 2 ** 53 - 1 })]);
    block(path, { "192.0.2.9": 9e15 - NOW_MS });
    const report = readReport(path, NOW_MS - DAY_MS, NOW_MS);
    const { lastScans: [{ first, last }], blocked: [{ ends }] } = reportJson(report) as {
      lastScans: { first: string; last: string }[];
      blocked: { ends: string }[];
    };
    assert.deepEqual([first, last, ends], [
      "1970-01-01T00:00:00.000Z",
      "9999-12-31T00:00:00.000Z",
      "9999-12-31T00:00:00.000Z",
    ]);
  });
});
