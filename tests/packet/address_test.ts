import assert from "node:assert/strict";
import fc from "fast-check";
import { addressBytes, formatAddress } from "../../src/packet/address.ts";
import { readAddress } from "../../src/packet/read_address.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

Deno.test("addressBytes() reads what formatAddress() writes", () => {
  // Zeros, so that there are addresses to abbreviate.
  const sparse = bytes(16).map((all) => all.map((byte) => byte < 160 ? 0 : byte));
  fc.assert(fc.property(fc.oneof(bytes(4), bytes(16), sparse), (address) => {
    const version = address.length === 4 ? 4 : 6;
    assert.deepEqual(addressBytes(formatAddress(version, address)), address);
  }));
});

Deno.test("addressBytes() reads an IPv4 address that is written as IPv6", () => {
  const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1];
  assert.deepEqual([...addressBytes("::ffff:192.0.2.1")], mapped);
  assert.throws(() => addressBytes("::ffff:192.0.2.256"));
});

for (
  const text of [
    ...[
      "",
      "192.0.2",
      "192.0.2.256",
      "192.0.2.1.5",
      "192.0.2.010",
      "192.0.2.",
      "1e1.0.2.1",
      "a.b.c.d",
    ],
    ...[
      ":",
      "::1::",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "2001:db8::12345",
      "fe80::1%eth0",
      "::g",
    ],
  ]
) {
  Deno.test(`readAddress() takes ${JSON.stringify(text)} for no address`, () => {
    assert.equal(readAddress(text), undefined);
  });
}
