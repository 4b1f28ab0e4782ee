import assert from "node:assert/strict";
import {
  CAMPAIGNS,
  CROWD_SOURCES,
  DISTRIBUTED_SOURCES,
  FEW_PACKETS,
  MOST_CAMPAIGN_MS,
  SCAN_ENTRIES,
} from "../../src/limits.ts";
import { probe, START_MS, tracker, WINDOW_MS } from "./probes.ts";

const SOURCES = 37;

Deno.test("ScanTracker tells many sources at one port as one distributed scan", () => {
  const { scans, ended } = tracker();
  for (let from = 1; from <= SOURCES; from++) {
    scans.take(probe({ from, to: from % 5, port: 2323, atMs: from * 1000 }));
    scans.take(probe({ from, to: from % 5, port: 23, atMs: from * 1000 + 500 }));
  }
  // Beside them somebody who is none of them.
  scans.take(probe({ from: 1000, port: 79, atMs: 1 }));
  for (let atMs = 0; atMs < 2 * WINDOW_MS; atMs += 5000) scans.expire(atMs);
  assert.deepEqual(ended.map(({ kind }) => kind).sort(), ["distributed", "probe"]);
  assert.deepEqual(ended.find(({ kind }) => kind === "distributed"), {
    source: `${SOURCES} sources`,
    sources: SOURCES,
    kind: "distributed",
    tool: "unknown",
    firstMs: START_MS + 1000,
    lastMs: START_MS + SOURCES * 1000 + 500,
    packets: 2 * SOURCES,
    ports: 2,
    targets: 5,
    samplePorts: ["tcp/23", "tcp/2323"],
    blocked: false,
  });
});

Deno.test("ScanTracker tells fewer sources one by one, and those that send more than a few packets", () => {
  const { scans, ended } = tracker();
  for (let from = 1; from < DISTRIBUTED_SOURCES; from++) scans.take(probe({ from, port: 23 }));
  for (let from = 101; from < 101 + SOURCES; from++) {
    for (let port = 1; port <= FEW_PACKETS + 1; port++) {
      scans.take(probe({ from, port: 100 + port }));
    }
  }
  scans.end();
  const kinds = ended.map(({ kind }) => kind);
  assert.equal(kinds.filter((kind) => kind === "probe").length, DISTRIBUTED_SOURCES - 1);
  assert.equal(kinds.filter((kind) => kind === "vertical").length, SOURCES);
  assert.equal(ended.length, DISTRIBUTED_SOURCES - 1 + SOURCES);
});

Deno.test("ScanTracker keeps the campaigns of different ports apart", () => {
  const { scans, ended } = tracker();
  for (let from = 1; from <= SOURCES; from++) {
    scans.take(probe({ from, port: 23 }));
    scans.take(probe({ from: 1000 + from, port: 3389 }));
  }
  scans.end();
  assert.deepEqual(
    ended.map(({ sources, samplePorts }) => [sources, ...samplePorts]).sort(),
    [[SOURCES, "tcp/23"], [SOURCES, "tcp/3389"]],
  );
});

Deno.test("ScanTracker tells a campaign as blocked when all of its sources are", () => {
  for (const unblocked of ["none", "0.0.0.20"]) {
    const { scans, ended } = tracker({ isBlocked: (source) => source !== unblocked });
    for (let from = 1; from <= SOURCES; from++) scans.take(probe({ from }));
    scans.end();
    assert.deepEqual(ended.map(({ blocked }) => blocked), [unblocked === "none"]);
  }
});

Deno.test("ScanTracker asks no more about a campaign once a source is not blocked", () => {
  const asked: string[] = [];
  const { scans } = tracker({ isBlocked: (source) => asked.push(source) === 0 });
  for (let from = 1; from <= SOURCES; from++) scans.take(probe({ from }));
  scans.end();
  assert.equal(asked.length, 1);
});

const TOOLS: [tools: string[], told: string][] = [
  [["unknown", "Mirai-like bot"], "Mirai-like bot"],
  [["Mirai-like bot", "unknown"], "Mirai-like bot"],
  [["masscan", "zmap"], "mixed"],
  [["masscan", "zmap", "masscan"], "mixed"],
];

Deno.test("ScanTracker tells the tool of a campaign that its sources have in common", () => {
  for (const [tools, told] of TOOLS) {
    const reset: number[] = [];
    const { scans, ended } = tracker({
      tools: {
        reset: (entry) => reset.push(entry),
        note: () => {},
        toolOf: (entry) => tools[reset.indexOf(entry) % tools.length],
      },
    });
    for (let from = 1; from <= SOURCES; from++) scans.take(probe({ from }));
    scans.end();
    assert.deepEqual(ended.map(({ tool }) => tool), [told]);
  }
});

Deno.test("ScanTracker tells once an hour of a campaign that never ends", () => {
  const { scans, ended } = tracker();
  const spacingMs = 10_000;
  const packets = 3.5 * MOST_CAMPAIGN_MS / spacingMs;
  for (let i = 0; i < packets; i++) {
    scans.take(probe({ from: 1 + i, atMs: i * spacingMs }));
    scans.expire(i * spacingMs);
  }
  const before = ended.length;
  scans.end();
  assert.equal(before, 3);
  assert.ok(ended.every(({ kind }) => kind === "distributed"));
  assert.equal(ended.reduce((sum, { sources }) => sum + sources!, 0), packets);
});

Deno.test("ScanTracker tells more campaigns than it can hold as one", () => {
  const { scans, ended } = tracker();
  const ports = CAMPAIGNS + 20;
  for (let port = 1; port <= ports; port++) {
    for (let i = 0; i < DISTRIBUTED_SOURCES; i++) scans.take(probe({ from: port * 100 + i, port }));
  }
  scans.end();
  assert.equal(ended.length, CAMPAIGNS);
  assert.equal(ended.reduce((sum, { ports }) => sum + ports, 0), ports);
  assert.equal(
    ended.reduce((sum, { sources }) => sum + sources!, 0),
    ports * DISTRIBUTED_SOURCES,
  );
});

Deno.test("ScanTracker tells a crowd at any ports as one, and its last ones too", () => {
  const { scans, ended } = tracker();
  for (let i = 1; i <= CROWD_SOURCES + 100; i++) scans.take(probe({ from: i, port: i }));
  scans.expire(2 * WINDOW_MS);
  assert.deepEqual(ended.map(({ sources, ports }) => [sources, ports]), [
    [CROWD_SOURCES + 100, CROWD_SOURCES + 100],
  ]);
});

Deno.test("ScanTracker tells a flood of a million spoofed sources in one summary, and the scan in it", () => {
  const { scans, ended } = tracker({ entries: SCAN_ENTRIES });
  const spoofed = 1_000_000;
  for (let i = 0; i < spoofed; i++) {
    const atMs = i / 100;
    scans.take(probe({ from: 0x0a000000 + i, port: 1 + i % 1024, atMs }));
    if (i % 1000 === 0) scans.take(probe({ from: 0xc0000209, port: 1 + i / 1000, atMs }));
  }
  assert.ok(scans.open <= SCAN_ENTRIES);
  assert.deepEqual(ended, []);
  scans.end();
  assert.deepEqual(
    ended.map(({ source, kind, packets, ports }) => [source, kind, packets, ports]).sort(),
    [
      [`${spoofed} sources`, "distributed", spoofed, 1024],
      ["192.0.2.9", "vertical", 1000, 1000],
    ],
  );
  assert.equal(scans.untold, 0);
});

Deno.test("ScanTracker does not count those who scan many ports among the few at one", () => {
  const { scans, ended } = tracker();
  for (let from = 1; from <= SOURCES; from++) {
    for (let port = 20; port < 60; port++) scans.take(probe({ from, port }));
  }
  scans.take(probe({ from: 1000, port: 23 }));
  scans.end();
  const kinds = ended.map(({ kind }) => kind).sort();
  assert.deepEqual(kinds, ["probe", ...Array(SOURCES).fill("vertical")]);
});

Deno.test("ScanTracker counts the targets and ports of each campaign anew", () => {
  const { scans, ended } = tracker();
  for (let round = 0; round < 2; round++) {
    for (let from = 1; from <= SOURCES; from++) {
      scans.take(probe({ from, to: from % 7, port: 23, atMs: round * 3 * WINDOW_MS }));
    }
    scans.expire((round * 3 + 2) * WINDOW_MS);
  }
  assert.deepEqual(
    ended.map(({ kind, ports, targets }) => [kind, ports, targets]),
    [["distributed", 1, 7], ["distributed", 1, 7]],
  );
});
