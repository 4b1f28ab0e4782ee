import assert from "node:assert/strict";
import fc from "fast-check";
import { SourceTable } from "../../src/detector/source_table.ts";
import { Packet, Protocol } from "../../src/packet/packet.ts";

function address4(n: number): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, n);
  return bytes;
}

/** A packet of source `n` to a port, read at a time. */
function packet(n: number, port = 23, readMs = 0, protocol: Protocol = Protocol.Tcp): Packet {
  const packet = new Packet();
  packet.source.set(address4(n));
  return Object.assign(packet, { protocol, destinationPort: port, readMs });
}

Deno.test("SourceTable.count() agrees with a map while there is room", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(4, 6), fc.nat(12)), { maxLength: 60 }),
      fc.int16Array({ minLength: 2, maxLength: 2 }),
      (events, key) => {
        const table = new SourceTable(4096, Int32Array.from(key));
        const expected = new Map<string, number>();
        for (const [version, n] of events) {
          const source = address4(n * 0x01010101);
          const id = `${version}/${n}`;
          expected.set(id, (expected.get(id) ?? 0) + 1);
          assert.equal(table.count(version, source), expected.get(id));
        }
      },
    ),
  );
});

Deno.test("SourceTable tells IPv6 sources of one network apart", () => {
  const table = new SourceTable(64);
  const one = new Uint8Array(16).fill(1);
  const other = new Uint8Array(16).fill(1);
  other[15] = 2;
  assert.equal(table.count(6, one), 1);
  assert.equal(table.count(6, other), 1);
  assert.equal(table.count(6, one), 2);
});

Deno.test("SourceTable keeps a source that was counted twice through a million spoofed ones", () => {
  const table = new SourceTable(65_536);
  const scanner = address4(0xc0000201);
  table.count(4, scanner);
  table.count(4, scanner);
  for (let n = 1; n <= 1_000_000; n++) table.count(4, address4(n));
  assert.equal(table.count(4, scanner), 3);
});

Deno.test("SourceTable lets newcomers in when every source was counted often", () => {
  const table = new SourceTable(64);
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 1000; n++) table.count(4, address4(n));
    for (let n = 0; n < 1000; n++) table.count(4, address4(n));
  }
  const newcomer = address4(0xc0000202);
  assert.deepEqual([1, 2, 3].map(() => table.count(4, newcomer)), [1, 2, 3]);
});

Deno.test("SourceTable spreads sources over its buckets whatever they have in common", () => {
  // 65,536 sources into 65,536 entries: with an even spread few are displaced (Poisson, 8 a bucket).
  const patterns: [name: string, address: (n: number) => number][] = [
    ["one /16", (n) => (0x0a000000 + n) >>> 0],
    ["one host part", (n) => ((n << 16) | 0x0101) >>> 0],
    ["every 256th", (n) => (n * 256) >>> 0],
  ];
  for (const [name, address] of patterns) {
    const table = new SourceTable(65_536);
    for (let n = 0; n < 65_536; n++) table.count(4, address4(address(n)));
    let kept = 0;
    // Backwards, so that the ones counted now do not displace those still to be looked at.
    for (let n = 65_535; n >= 0; n--) if (table.count(4, address4(address(n))) === 2) kept++;
    assert.ok(kept > 65_536 * 0.8, `${name}: ${kept} kept`);
  }
});

/** What countLately() does, as simply as it can be said. */
class Model {
  readonly #sources = new Map<string, { start: number; seen: unknown[] }>();
  constructor(readonly limit: number, readonly windowMs: number, readonly byPort: boolean) {}

  count(key: string, port: string, nowMs: number): number {
    let source = this.#sources.get(key);
    if (!source || nowMs - source.start > this.windowMs) source = { start: nowMs, seen: [] };
    this.#sources.set(key, source);
    const { seen } = source;
    if (!this.byPort || (seen.length < this.limit && !seen.includes(port))) seen.push(port);
    if (seen.length >= this.limit) source.start = nowMs;
    return seen.length;
  }
}

const event = fc.record({
  n: fc.nat(4),
  port: fc.nat(6),
  protocol: fc.constantFrom(Protocol.Tcp, Protocol.Udp),
  afterMs: fc.nat(40),
});

for (const byPort of [false, true]) {
  const counted = byPort ? "ports" : "events";
  Deno.test(`SourceTable.countLately() agrees with a simple model about ${counted}`, () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 80 }),
        fc.integer({ min: 2, max: 6 }),
        fc.constantFrom(0, 10, 50, 200, Infinity),
        (events, limit, windowMs) => {
          const table = new SourceTable(64);
          const model = new Model(limit, windowMs, byPort);
          if (byPort) table.rememberPorts(limit);
          let nowMs = 0.5;
          for (const { n, port, protocol, afterMs } of events) {
            nowMs += afterMs;
            assert.equal(
              table.countLately(packet(n, port, nowMs, protocol), { limit, windowMs }),
              model.count(`${n}`, `${protocol}/${port}`, nowMs),
            );
          }
        },
      ),
      { numRuns: 500 },
    );
  });
}

Deno.test("SourceTable.countLately() never takes 64 ports for more, and knows each of them", () => {
  const table = new SourceTable(8);
  table.rememberPorts(64);
  const count = (port: number) =>
    table.countLately(packet(1, port), { limit: 64, windowMs: Infinity });
  for (let port = 65_535; port > 65_535 - 63; port--) count(port);
  for (let port = 65_535; port > 65_535 - 63; port--) assert.equal(count(port), 63);
  assert.equal(count(1), 64);
  for (let port = 2; port < 1000; port++) assert.equal(count(port), 64);
});

Deno.test("SourceTable.countLately() keeps a source that came to two ports through a flood", () => {
  const table = new SourceTable(65_536);
  table.rememberPorts(3);
  const rule = { limit: 3, windowMs: 600_000 };
  const scanner = 0xc0000201;
  for (const port of [21, 22]) table.countLately(packet(scanner, port), rule);
  const spoofed = packet(0);
  const bytes = new DataView(spoofed.source.buffer);
  for (let n = 1; n <= 1_000_000; n++) {
    bytes.setUint32(0, n);
    table.countLately(spoofed, rule);
  }
  assert.equal(table.countLately(packet(scanner, 23, 1000), rule), 3);
});

Deno.test("SourceTable.countLately() remembers no port of the source that had the entry before", () => {
  const table = new SourceTable(8);
  table.rememberPorts(3);
  const rule = { limit: 3, windowMs: Infinity };
  for (let n = 0; n < 100; n++) {
    assert.deepEqual([1, 1, 2].map((port) => table.countLately(packet(n, port), rule)), [1, 1, 2]);
  }
});

Deno.test("SourceTable.rememberPorts() forgets what was counted otherwise, and only that", () => {
  const table = new SourceTable(64);
  const rule = { limit: 3, windowMs: Infinity };
  assert.equal(table.count(4, address4(1)), 1);
  table.rememberPorts(3);
  assert.equal(table.countLately(packet(1, 23), rule), 1);
  table.rememberPorts(3);
  assert.equal(table.countLately(packet(1, 24), rule), 2);
  table.rememberPorts(4);
  assert.equal(table.countLately(packet(1, 25), { ...rule, limit: 4 }), 1);
  table.rememberPorts(0);
  assert.equal(table.count(4, address4(1)), 1);
});

Deno.test("SourceTable refuses sizes it cannot index", () => {
  for (const entries of [0, 4, 100]) assert.throws(() => new SourceTable(entries), RangeError);
  assert.equal(new SourceTable(8).capacity, 8);
});
