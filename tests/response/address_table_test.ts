import assert from "node:assert/strict";
import fc from "fast-check";
import { clearHostBits } from "../../src/config/network.ts";
import { AddressTable, tableAddress } from "../../src/response/address_table.ts";

Deno.test("tableAddress() has one form for an IPv4 address and its IPv6 form", () => {
  const mapped = "00000000000000000000ffffc0000201";
  assert.equal(tableAddress(Uint8Array.of(192, 0, 2, 1)).toHex(), mapped);
  assert.equal(tableAddress(Uint8Array.fromHex(mapped)).toHex(), mapped);
});

Deno.test("AddressTable holds what a Map and a look at all of it hold", () => {
  // Few distinct bytes, so that addresses repeat and meet in networks.
  const address = fc.uint8Array({ minLength: 16, maxLength: 16, max: 1 });
  const added = fc.array(fc.tuple(address, fc.integer({ min: 1, max: 65_535 })), {
    maxLength: 300,
    size: "max",
  });
  const table = new AddressTable();
  let grown = 0;
  let within = 0;
  fc.assert(
    fc.property(
      added,
      address,
      fc.array(fc.nat(128), { maxLength: 5 }),
      (added, other, prefixes) => {
        table.clear();
        const map = new Map<string, number>();
        for (const [address, value] of added) {
          table.add(address, value);
          if (!map.has(address.toHex())) map.set(address.toHex(), value);
        }
        if (map.size > 64) grown++;
        for (const [address] of added) assert.equal(table.get(address), map.get(address.toHex()));
        assert.equal(table.get(other), map.get(other.toHex()) ?? 0);
        for (const prefix of prefixes) {
          const network = clearHostBits(other, prefix).toHex();
          const expected = added.some(([one]) => clearHostBits(one, prefix).toHex() === network);
          if (expected) within++;
          assert.equal(table.hasWithin(other, prefix), expected, `/${prefix}`);
        }
      },
    ),
    { numRuns: 500 },
  );
  assert.ok(grown > 10 && within > 10, `${grown} grown, ${within} within`);
});

Deno.test("AddressTable.hasWithin() follows what is added and cleared after a question", () => {
  const table = new AddressTable();
  const network = tableAddress(Uint8Array.of(192, 0, 2, 0));
  assert.equal(table.hasWithin(network, 120), false);
  table.add(tableAddress(Uint8Array.of(192, 0, 2, 77)), 1);
  assert.equal(table.hasWithin(network, 120), true);
  table.clear();
  assert.equal(table.hasWithin(network, 120), false);
});
