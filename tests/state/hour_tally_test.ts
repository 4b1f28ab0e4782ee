import assert from "node:assert/strict";
import fc from "fast-check";
import { HOUR_PORTS, HOUR_TYPES } from "../../src/limits.ts";
import { type Counted, HourTally } from "../../src/state/hour_tally.ts";

const event: fc.Arbitrary<Counted> = fc.record({
  protocol: fc.constantFrom("TCP" as const, "UDP" as const, "ICMP" as const),
  port: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 65535 })),
  type: fc.constantFrom("UDP", "TCP SYN/Normal scan", "other"),
});

function sums(tally: HourTally): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { what, events } of tally.rows()) sums[what] = (sums[what] ?? 0) + events;
  return sums;
}

Deno.test("HourTally.rows() loses no event, and load() gives them back (property)", () => {
  fc.assert(fc.property(fc.array(event, { minLength: 1, maxLength: 300 }), (events) => {
    const tally = new HourTally();
    for (const one of events) tally.add(one);
    const rows = tally.rows();
    const n = events.length;
    const port = events.filter(({ protocol }) => protocol !== "ICMP").length;
    assert.deepEqual(sums(tally), { protocol: n, type: n, ...(port > 0 && { port }) });
    const second = new HourTally();
    second.load(rows);
    assert.deepEqual(second.rows(), rows);
    second.clear();
    assert.deepEqual(second.rows(), []);
  }));
});

Deno.test("HourTally.rows() names the most frequent ports, whatever else was scanned", () => {
  const tally = new HourTally();
  for (let port = 1; port < 65536; port++) {
    tally.add({ protocol: "TCP", port, type: "TCP SYN/Normal scan" });
  }
  for (let i = 0; i < 5; i++) tally.add({ protocol: "UDP", port: 161, type: "UDP" });
  for (let i = 0; i < 3; i++) tally.add({ protocol: "TCP", port: 65535, type: "TCP FIN scan" });
  const ports = tally.rows().filter(({ what }) => what === "port");
  assert.equal(ports.length, HOUR_PORTS + 1);
  assert.deepEqual(ports.slice(0, 2).map(({ value, events }) => [value, events]), [
    ["udp/161", 5],
    ["tcp/65535", 4],
  ]);
  assert.deepEqual(ports.at(-1), {
    what: "port",
    value: "other",
    events: 65535 + 5 + 3 - 5 - 4 - (HOUR_PORTS - 2),
  });
});

Deno.test("HourTally keeps no more types than it may", () => {
  const tally = new HourTally();
  for (let i = 0; i < 1000; i++) tally.add({ protocol: "TCP", port: 1, type: `type ${i}` });
  const types = tally.rows().filter(({ what }) => what === "type");
  assert.equal(types.length, HOUR_TYPES + 1);
  assert.equal(types.at(-1)!.events, 1000 - HOUR_TYPES);
});
