import assert from "node:assert/strict";
import fc from "fast-check";
import { SourceTable } from "../../src/detector/source_table.ts";

function address4(n: number): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, n);
  return bytes;
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

Deno.test("SourceTable refuses sizes it cannot index", () => {
  for (const entries of [0, 4, 100]) assert.throws(() => new SourceTable(entries), RangeError);
  assert.equal(new SourceTable(8).capacity, 8);
});
