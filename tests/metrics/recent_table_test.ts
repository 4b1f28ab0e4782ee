import assert from "node:assert/strict";
import { Verdict } from "../../src/detector/verdict.ts";
import { scanEvent } from "../../src/event/scan_event.ts";
import { TOP_ROWS } from "../../src/limits.ts";
import { Lately } from "../../src/metrics/lately.ts";
import { RecentTable } from "../../src/metrics/recent_table.ts";
import { decode, LinkType } from "../../src/packet/decode.ts";
import { Packet } from "../../src/packet/packet.ts";
import { ipv4, tcp } from "../frames.ts";

const START_MS = 1_000_000_000_000;

Deno.test("RecentTable tells the busiest first, and the latest of those that are quiet", () => {
  const table = new RecentTable<string>(8, 5000);
  table.add("once", START_MS - 100_000);
  table.add("later", START_MS - 90_000);
  for (let i = 0; i < 10; i++) table.add("busy", START_MS + i);
  table.add("calm", START_MS);
  const top = table.top(3, START_MS + 10);
  assert.deepEqual(top.map(({ name }) => name), ["busy", "calm", "later"]);
  assert.deepEqual([top[0].events, top[0].lastMs], [10, START_MS + 9]);
  assert.equal(top[2].rate, 0);
  table.add("calm", START_MS, "first");
  table.add("calm", START_MS, "last");
  assert.equal(table.top(2, START_MS)[1].note, "last");
});

Deno.test("RecentTable knows the rate of what goes on, and forgets it when that ends", () => {
  const table = new RecentTable<string>(8, 5000);
  const rate = (ms: number) => table.top(1, START_MS + ms)[0].rate;
  for (let ms = 0; ms < 20_000; ms += 10) {
    table.add("a", START_MS + ms);
    if (ms > 10_000) assert.ok(Math.abs(rate(ms) - 100) < 1, `${ms}: ${rate(ms)}`);
  }
  assert.ok(rate(22_500) > 40 && rate(22_500) < 60, String(rate(22_500)));
  assert.equal(rate(30_000), 0);
});

Deno.test("RecentTable bears a clock that is set back", () => {
  const table = new RecentTable<string>(8, 5000);
  table.add("a", START_MS);
  table.add("a", START_MS - 86_400_000);
  const [{ rate, events }] = table.top(1, START_MS - 86_400_000);
  assert.deepEqual([rate, events], [0.2, 2]);
});

Deno.test("RecentTable keeps those who come again in a flood of those who do not", () => {
  const table = new RecentTable<number>(64, 5000);
  for (let i = 0; i < 100_000; i++) {
    table.add(i + 10, START_MS);
    if (i % 50 === 0) table.add(i % 3, START_MS);
  }
  assert.equal(table.size, 64);
  assert.deepEqual(table.top(3, START_MS).map(({ name }) => name).toSorted(), [0, 1, 2]);
});

Deno.test("Lately names ports, and remembers the last blocks", () => {
  const packet = new Packet();
  const frame = ipv4(tcp({ port: 23 }));
  assert.ok(decode(frame, frame.length, LinkType.Raw, packet));
  const event = scanEvent(packet, Verdict.Respond, "stealth");
  const lately = new Lately();
  lately.probe(event, START_MS);
  lately.probe({ ...event, protocol: "UDP", port: 53 }, START_MS);
  assert.deepEqual(lately.ports(START_MS).map(({ name }) => name).toSorted(), ["tcp/23", "udp/53"]);
  assert.deepEqual(lately.sources(START_MS).map(({ events }) => events), [2]);
  assert.ok(lately.rate(START_MS) > 0);
  for (let i = 0; i < 2 * TOP_ROWS; i++) lately.block(event, START_MS + i);
  assert.equal(lately.blocks().length, TOP_ROWS);
  assert.deepEqual(lately.blocks()[0], {
    host: event.source,
    timeMs: START_MS + 2 * TOP_ROWS - 1,
    port: "tcp/23",
  });
});
