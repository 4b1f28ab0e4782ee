import assert from "node:assert/strict";
import fc from "fast-check";
import type { ScanKind, ScanSummary } from "../../src/event/scan_summary.ts";
import { MOST_SCAN_MS, SCAN_BITMAPS, SCANS_A_MINUTE } from "../../src/limits.ts";
import { Protocol } from "../../src/packet/packet.ts";
import { type Probe, probe, sourceText, START_MS, tracker, WINDOW_MS } from "./probes.ts";

function range<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

const MINUTE_MS = 60_000;
const SCANS: [name: string, kind: ScanKind, probes: Probe[]][] = [
  ["a lone packet", "probe", [{}]],
  ["two ports", "probe", [{ port: 1 }, { port: 2 }]],
  ["a port tried three times", "repeated", range(3, (i) => ({ atMs: i * 1000 }))],
  ["a port tried every five minutes", "repeated", range(9, (i) => ({ atMs: i * 5 * MINUTE_MS }))],
  ["a thousand ports", "vertical", range(1000, (i) => ({ port: 1 + i, atMs: i }))],
  ["a port at 50 addresses", "sweep", range(50, (i) => ({ to: i, atMs: i }))],
  ["a few ports at many addresses", "sweep", range(60, (i) => ({ port: i % 3, to: i, atMs: i }))],
  [
    "many ports at a few addresses",
    "vertical",
    range(60, (i) => ({ port: i, to: i % 3, atMs: i })),
  ],
  ["nmap -T0", "slow", range(20, (i) => ({ port: i, atMs: i * 5 * MINUTE_MS }))],
  [
    "a port at another address every 90 seconds",
    "slow",
    range(9, (i) => ({ to: i, atMs: i * 90_000 })),
  ],
  ["a packet every 50 seconds", "vertical", range(20, (i) => ({ port: i, atMs: i * 50_000 }))],
];

for (const [name, kind, probes] of SCANS) {
  Deno.test(`ScanTracker calls ${name} ${kind}`, () => {
    const { scans, ended } = tracker();
    for (const one of probes) scans.take(probe(one));
    assert.deepEqual(ended, []);
    scans.end();
    assert.deepEqual(ended.map(({ kind, packets }) => [kind, packets]), [[kind, probes.length]]);
    assert.deepEqual([...scans.endedByKind()].filter(([, count]) => count > 0), [[kind, 1]]);
    assert.equal(scans.open, 0);
  });
}

Deno.test("ScanTracker sums up a scan with its times, ports, targets and tool", () => {
  const asked: string[] = [];
  const noted: number[] = [];
  const { scans, ended } = tracker({
    tools: {
      reset: (entry) => noted.push(entry),
      note: (entry, { destinationPort }) => noted.push(entry, destinationPort),
      toolOf: () => "nmap SYN",
    },
    isBlocked: (source) => asked.push(source) > 0,
  });
  const probes: Probe[] = [
    { port: 23 },
    { port: 53, protocol: Protocol.Udp, atMs: 10 },
    { port: 53, atMs: 20 },
    { port: 23, to: 2, atMs: 40 },
  ];
  for (const one of probes) {
    assert.equal(scans.take(probe({ from: 0xc0000209, ...one })), "nmap SYN");
  }
  scans.end();
  assert.deepEqual(ended, [{
    source: "192.0.2.9",
    kind: "vertical",
    tool: "nmap SYN",
    firstMs: START_MS,
    lastMs: START_MS + 40,
    packets: 4,
    ports: 3,
    targets: 2,
    samplePorts: ["tcp/23", "udp/53", "tcp/53"],
    blocked: true,
  }]);
  assert.deepEqual(asked, ["192.0.2.9"]);
  const [entry] = noted;
  assert.deepEqual(noted, [entry, entry, 23, entry, 53, entry, 53, entry, 23]);
});

Deno.test("ScanTracker counts what has no port as one, and names it", () => {
  const { scans, ended } = tracker();
  for (let i = 0; i < 3; i++) scans.take(probe({ port: 0, protocol: 1 as Protocol, to: i }));
  scans.end();
  const [{ kind, ports, samplePorts }] = ended;
  assert.deepEqual([kind, ports, samplePorts], ["sweep", 1, ["icmp"]]);
});

Deno.test("ScanTracker tells every port exactly, and samples the first", () => {
  const { scans, ended } = tracker();
  for (const protocol of [Protocol.Tcp, Protocol.Udp]) {
    for (let round = 0; round < 2; round++) {
      for (let port = 65_535; port > 0; port--) scans.take(probe({ port, protocol, version: 6 }));
    }
  }
  scans.end();
  const [{ source, ports, packets, samplePorts }] = ended;
  assert.deepEqual([source, ports, packets], ["::1", 131_070, 262_140]);
  assert.deepEqual(samplePorts.slice(0, 3), ["tcp/65535", "tcp/65534", "tcp/65533"]);
});

Deno.test("ScanTracker ends a scan when its source is quiet for longer than the window", () => {
  const { scans, ended } = tracker();
  scans.take(probe());
  scans.take(probe({ atMs: WINDOW_MS }));
  scans.expire(2 * WINDOW_MS);
  assert.equal(scans.open, 1);
  scans.expire(2 * WINDOW_MS + scans.sweepMs);
  assert.equal(scans.open, 0);
  assert.deepEqual(ended.map(({ packets }) => packets), [2]);
  // Also when nobody has looked meanwhile.
  scans.take(probe({ atMs: 5 * WINDOW_MS }));
  scans.take(probe({ atMs: 6 * WINDOW_MS + 1 }));
  assert.deepEqual(ended.map(({ packets }) => packets), [2, 1]);
  assert.equal(ended[1].firstMs, START_MS + 5 * WINDOW_MS);
});

Deno.test("ScanTracker goes by another window from a reload on", () => {
  const { scans, ended } = tracker();
  scans.take(probe());
  scans.expire(1);
  scans.windowMs = 1000;
  scans.expire(2);
  assert.equal(scans.open, 1);
  scans.expire(1500);
  assert.equal(ended.length, 1);
});

Deno.test("ScanTracker tells once a day of a scan that never ends", () => {
  const { scans, ended } = tracker();
  const spacingMs = 5 * MINUTE_MS;
  const packets = 2.5 * MOST_SCAN_MS / spacingMs;
  for (let i = 0; i < packets; i++) scans.take(probe({ port: i, atMs: i * spacingMs }));
  scans.end();
  assert.deepEqual(ended.map(({ kind }) => kind), ["slow", "slow", "slow"]);
  assert.equal(ended.reduce((sum, { packets }) => sum + packets, 0), packets);
});

/** What a tracker with room tells, as simply as it can be said. */
function model(probes: Required<Omit<Probe, "version">>[], windowMs: number): ScanSummary[] {
  const ended: ScanSummary[] = [];
  const open = new Map<number, typeof probes>();
  const end = (scan: typeof probes) => {
    const names = scan.map(({ protocol, port }) =>
      `${protocol === Protocol.Tcp ? "tcp" : "udp"}/${port}`
    );
    const [ports, targets] = [new Set(names), new Set(scan.map(({ to }) => to))];
    const [first, last] = [scan[0].atMs, scan.at(-1)!.atMs];
    const many = (last - first) / (scan.length - 1) > MINUTE_MS
      ? "slow"
      : targets.size > ports.size
      ? "sweep"
      : "vertical";
    ended.push({
      source: sourceText(scan[0].from),
      kind: scan.length < 3 ? "probe" : ports.size === 1 && targets.size === 1 ? "repeated" : many,
      tool: "unknown",
      firstMs: START_MS + first,
      lastMs: START_MS + last,
      packets: scan.length,
      ports: ports.size,
      targets: targets.size,
      samplePorts: [...ports].slice(0, 16),
      blocked: false,
    });
  };
  for (const one of probes) {
    const scan = open.get(one.from);
    if (scan && one.atMs - scan.at(-1)!.atMs > windowMs) {
      end(scan);
      open.delete(one.from);
    }
    open.set(one.from, [...open.get(one.from) ?? [], one]);
  }
  for (const scan of open.values()) end(scan);
  return ended;
}

Deno.test("ScanTracker agrees with a simple model of single scans, whenever it is looked at", () => {
  const step = fc.record({
    from: fc.integer({ min: 1, max: 9 }),
    to: fc.nat(3),
    port: fc.integer({ min: 1, max: 31 }),
    protocol: fc.constantFrom(Protocol.Tcp, Protocol.Udp),
    afterMs: fc.oneof(fc.nat(1000), fc.nat(WINDOW_MS + 1000)),
    look: fc.boolean(),
  });
  const sorted = (summaries: ScanSummary[]) =>
    summaries.map(({ samplePorts, ...rest }) => ({
      ...rest,
      // The sample is of the first marks, which targets have a part in.
      samplePorts: samplePorts.slice(0, 12),
    })).sort((a, b) => a.firstMs - b.firstMs || a.source.localeCompare(b.source));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const { scans, ended } = tracker({ entries: 4096 });
      let atMs = 0;
      const probes = steps.map(({ afterMs, look, ...one }) => {
        atMs += afterMs;
        if (look) scans.expire(atMs);
        scans.take(probe({ ...one, atMs }));
        return { ...one, atMs };
      });
      scans.end();
      assert.deepEqual(sorted(ended), sorted(model(probes, WINDOW_MS)));
    }),
    { numRuns: 300 },
  );
});

Deno.test("ScanTracker ends the large scan that is quiet when another one needs the room", () => {
  const { scans, ended } = tracker();
  const large = (from: number, atMs: number) => {
    for (let port = 1; port <= 20; port++) scans.take(probe({ from, port, atMs }));
  };
  for (let from = 1; from <= SCAN_BITMAPS; from++) large(from, from);
  large(1, SCAN_BITMAPS + 1);
  assert.deepEqual(ended, []);
  large(SCAN_BITMAPS + 1, SCAN_BITMAPS + 2);
  assert.deepEqual(ended.map(({ source, ports }) => [source, ports]), [[sourceText(2), 20]]);
  scans.end();
  assert.equal(ended.length, SCAN_BITMAPS + 1);
  for (const { ports } of ended) assert.equal(ports, 20);
});

Deno.test("ScanTracker counts what it does not tell, when very much ends at once", () => {
  const { scans, ended } = tracker({ entries: 16_384 });
  const sources = SCANS_A_MINUTE + 500;
  for (let from = 1; from <= sources; from++) {
    for (let port = 1; port <= 9; port++) scans.take(probe({ from, port, atMs: 1 }));
  }
  scans.expire(2 * WINDOW_MS);
  assert.equal(ended.length, SCANS_A_MINUTE);
  assert.equal(scans.untold, 500);
  const counts = Object.fromEntries(scans.endedByKind());
  assert.equal(counts.vertical, sources);
  // The next minute has its own thousand.
  scans.take(probe({ atMs: 3 * WINDOW_MS }));
  scans.expire(5 * WINDOW_MS);
  assert.equal(ended.length, SCANS_A_MINUTE + 1);
});

Deno.test("ScanTracker loses no packet in little room, and begins anew after its end", () => {
  const step = fc.record({
    from: fc.integer({ min: 1, max: 60 }),
    to: fc.nat(40),
    port: fc.integer({ min: 1, max: 40 }),
    afterMs: fc.oneof(fc.constant(0), fc.nat(WINDOW_MS / 4)),
    again: fc.nat(12),
    look: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 80 }), (steps) => {
      const { scans, ended } = tracker({ entries: 16 });
      let atMs = 0;
      let packets = 0;
      for (const { afterMs, again, look, ...one } of steps) {
        atMs += afterMs;
        if (look) scans.expire(atMs);
        for (let i = 0; i <= again; i++, packets++) {
          scans.take(probe({ ...one, port: one.port + i, atMs }));
        }
        assert.ok(scans.open <= 16);
      }
      scans.end();
      assert.equal(scans.open, 0);
      assert.equal(ended.reduce((sum, { packets }) => sum + packets, 0), packets);
      // Nothing of all those sources is left that would make a lone one part of something.
      for (const { port } of steps) {
        ended.length = 0;
        scans.take(probe({ from: 1000, port, atMs }));
        scans.end();
        assert.deepEqual(ended.map(({ kind, packets }) => [kind, packets]), [["probe", 1]]);
      }
    }),
    { numRuns: 300 },
  );
});
