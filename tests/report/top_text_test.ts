import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { shareRows, sparkline, type Top, topLines } from "../../src/report/top_text.ts";
import { PLAIN, type Style } from "../../src/terminal/style.ts";
import { escapeControls } from "../../src/text.ts";
import { NOW_MS } from "./scanned.ts";

const TOP: Top = {
  atMs: NOW_MS,
  startMs: NOW_MS - 7_300_000,
  mode: "stealth (pcap)",
  packets: 20_000,
  packetsToServices: 12,
  probes: 12_345,
  lostBeforeReading: 0,
  rate: 123.4,
  blockedNow: 2,
  sources: [
    {
      name: "192.0.2.9",
      events: 12_000,
      rate: 120,
      lastMs: NOW_MS,
      tool: "masscan",
      blocked: true,
    },
    {
      name: "2001:db8::9",
      events: 345,
      rate: 3.4,
      lastMs: NOW_MS - 2000,
      tool: "unknown",
      blocked: false,
    },
  ],
  ports: [
    { name: "tcp/23", events: 12_000, rate: 120, lastMs: NOW_MS },
    { name: "udp/53", events: 345, rate: 3.4, lastMs: NOW_MS - 90_000 },
  ],
  blocks: [{ host: "192.0.2.9", timeMs: NOW_MS - 5000, port: "tcp/23" }],
};

Deno.test("topLines() show IPv4 addresses whole at 40 columns, and cut others with an ellipsis", () => {
  const [source] = TOP.sources;
  const host = "198.151.100.123";
  const long = "2001:db8:1111:2222:3333:4444:5555:6666";
  const sources = [{ ...source, name: host }, { ...source, name: long }];
  const blocks = [host, long].map((host) => ({ ...TOP.blocks[0], host }));
  const style = { ...PLAIN, width: 40 };
  const text = topLines({ ...TOP, sources, blocks }, { style, rows: 24, rates: [] }).join("\n");
  assert.match(text, /^SOURCE {11}RATE\/s {2}PROBES {2}AGO$/m);
  assert.match(text, /^198\.151\.100\.123 {5}120 {2}12,000 {3}0s$/m);
  assert.match(text, /^2001:db8:1111:…/m);
  assert.match(text, /^198\.151\.100\.123 +5s {2}tcp\/23$/m);
});

Deno.test("topLines() in a pipe are aligned, and nothing but text", () => {
  const [title, ...lines] = topLines(TOP, { style: PLAIN, rows: Infinity, rates: [] });
  assert.match(title, /^Portsentry top {2}stealth \(pcap\) {2}up 2h {2}2026-11-\d\d \d\d:\d\d$/);
  assert.deepEqual(lines, [
    "probes 12,345  to services 12  lost 0  blocked 2",
    "rate 123/s",
    "",
    "SOURCE       RATE/s  PROBES  AGO  BLOCKED  TOOL",
    "192.0.2.9       120  12,000   0s  yes      masscan",
    "2001:db8::9     3.4     345   2s  no       unknown",
    "",
    "PORT    RATE/s  PROBES  AGO",
    "tcp/23     120  12,000   0s  ####################",
    "udp/53     3.4     345   1m  #",
    "",
    "BLOCKED    AGO  FOR",
    "192.0.2.9   5s  tcp/23",
  ]);
});

Deno.test("topLines() fit any terminal", () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ ...TOP.sources[0], name: `192.0.2.${i}` }));
  for (const width of [1, 10, 40, 80, 200]) {
    for (const rows of [1, 3, 8, 24, 60]) {
      const style: Style = { colours: true, width, bar: "█" };
      const top = { ...TOP, sources: many(50) };
      const lines = topLines(top, { style, rows, rates: Array(300).fill(1) });
      assert.ok(lines.length <= rows, `${rows} rows: ${lines.length}`);
      for (const line of lines) {
        const shown = stripVTControlCharacters(line);
        assert.ok([...shown].length <= width, `${width} columns: ${shown}`);
      }
    }
  }
});

Deno.test("topLines() of a program that is gone say so in the place of its title", () => {
  const view = { style: PLAIN, rows: 24, rates: [], failure: "No portsentry is running" };
  assert.equal(topLines(TOP, view)[0], "No portsentry is running");
});

Deno.test("topLines() obey nothing that the running program says", () => {
  const bad = "\x1b[2J\r\n\x9b";
  const top = {
    ...TOP,
    mode: bad,
    probes: bad,
    sources: [{ ...TOP.sources[0], name: bad, events: bad }],
    ports: [{ ...TOP.ports[0], name: bad }],
    blocks: [{ ...TOP.blocks[0], host: bad, port: bad }],
  } as unknown as Top;
  for (const line of topLines(top, { style: PLAIN, rows: 24, rates: [] })) {
    assert.equal(escapeControls(line), line);
  }
});

Deno.test("shareRows() gives what a short list leaves to the others", () => {
  assert.deepEqual(shareRows([50, 50, 50], 36), [10, 10, 10]);
  assert.deepEqual(shareRows([50, 2, 1], 36), [27, 2, 1]);
  assert.deepEqual(shareRows([1, 0, 0], 36), [1, 0, 0]);
  assert.deepEqual(shareRows([50, 50, 50], 8), [2, 2, 0]);
  assert.deepEqual(shareRows([50, 50, 50], 6), [4, 0, 0]);
  assert.deepEqual(shareRows([50, 50, 50], 0), [0, 0, 0]);
});

Deno.test("sparkline() shows as many rates as fit, the latest last", () => {
  assert.equal(sparkline([0, 1, 7, 3], 80), "▁▂█▄");
  assert.equal(sparkline([9, 0, 0], 2), "▁▁");
  assert.equal(sparkline([1], 0), "");
});
