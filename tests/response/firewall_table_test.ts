import assert from "node:assert/strict";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { formatAddress } from "../../src/packet/address.ts";
import { elementsOf } from "../../src/response/block_elements.ts";
import { addressText, definition, targetOf } from "../../src/response/firewall_table.ts";

const TARGETS: [host: string, set: string, text: string][] = [
  ["192.0.2.9", "blocked4", "192.0.2.9"],
  ["192.0.2.9/32", "blocked4", "192.0.2.9"],
  ["192.0.2.9/25", "networks4_25", "192.0.2.0"],
  ["::", "blocked6", "0:0:0:0:0:0:0:0"],
  ["2001:DB8::9", "blocked6", "2001:db8:0:0:0:0:0:9"],
  ["2001:db8::9/128", "blocked6", "2001:db8:0:0:0:0:0:9"],
  ["2001:db8:1:2:3:4:5:6/64", "networks6_64", "2001:db8:1:2:0:0:0:0"],
  ["2001:db8:ffff::/33", "networks6_33", "2001:db8:8000:0:0:0:0:0"],
  ["ffff::/1", "networks6_1", "8000:0:0:0:0:0:0:0"],
];

for (const [host, set, text] of TARGETS) {
  Deno.test(`targetOf() puts ${host} into ${set} as ${text}`, () => {
    const target = targetOf(host);
    assert.deepEqual([target.set.name, addressText(target.key)], [set, text]);
  });
}

const BAD = [
  "",
  "example.com",
  "192.0.2",
  "192.0.2.256",
  "192.0.2.010",
  "0x7f.0.0.1",
  "192.0.2.9/0",
  "192.0.2.9/33",
  "192.0.2.9/+8",
  "192.0.2.9 }",
  "192.0.2.9\n",
  "192.0.2.9/24/24",
  "2001:db8:::1",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7::8",
  "1::2::3",
  "2001:db8::12345",
  "2001:db8::/129",
  "fe80::1%eth0",
  "::ffff:192.0.2.9",
  "2001:db8::1; flush ruleset",
];

for (const host of BAD) {
  Deno.test(`targetOf() refuses ${JSON.stringify(host)}`, () => {
    assert.throws(() => targetOf(host), {
      name: "RangeError",
      message: `Cannot block ${JSON.stringify(host)}: it is neither an address nor a network`,
    });
  });
}

Deno.test("targetOf() takes every address that events have, and masks as ipaddr.js does", () => {
  const address = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    // Mapped addresses, and runs of zeros, which the text leaves out.
    fc.uint8Array({ minLength: 4, maxLength: 4 })
      .map((bytes) => Uint8Array.from([...new Uint8Array(10), 255, 255, ...bytes])),
    fc.array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 })
      .map((bytes) => Uint8Array.from(bytes)),
  );
  fc.assert(fc.property(address, fc.integer({ min: 1, max: 128 }), (bytes, someBits) => {
    const host = formatAddress(bytes.length === 4 ? 4 : 6, bytes);
    assert.deepEqual(targetOf(host).key, Uint8Array.from(bytes));
    const bits = Math.min(someBits, bytes.length * 8);
    const kind = bytes.length === 4 ? ipaddr.IPv4 : ipaddr.IPv6;
    const network = kind.networkAddressFromCIDR(`${host}/${bits}`).toByteArray();
    const target = targetOf(`${host}/${bits}`);
    assert.deepEqual([...target.key], network);
    assert.equal(target.set.bits, bits);
  }));
});

Deno.test("targetOf() throws nothing but RangeError, and lets nothing but an address through", () => {
  const text = fc.oneof(
    fc.string(),
    fc.stringMatching(/^[\da-fA-F:./%{}; -]{0,40}$/),
  );
  fc.assert(fc.property(text, (host) => {
    try {
      assert.match(
        addressText(targetOf(host).key),
        /^(\d{1,3}(\.\d{1,3}){3}|[\da-f]{1,4}(:[\da-f]{1,4}){7})$/,
      );
      assert.ok(ipaddr.isValid(host.split("/")[0]));
    } catch (error) {
      assert.ok(error instanceof RangeError, String(error));
    }
  }));
});

const TIMEOUTS: [remainingMs: number | undefined, timeoutMs: number | undefined][] = [
  [undefined, undefined],
  [Infinity, undefined],
  [0.001, 20],
  [1, 20],
  [1234.5, 1235],
  [86_399_999.5, 86_400_000],
  [Number.MAX_VALUE, 36_500 * 86_400_000],
];

for (const [remainingMs, timeoutMs] of TIMEOUTS) {
  Deno.test(`elementsOf() makes ${remainingMs} ms a timeout of ${timeoutMs}`, () => {
    const [{ elements }] = elementsOf([{ host: "192.0.2.9", remainingMs }]);
    assert.deepEqual(elements, [{ key: Uint8Array.of(192, 0, 2, 9), timeoutMs }]);
  });
}

Deno.test("elementsOf() gives them by set, without what has ended and the mark of each set", () => {
  const elements = elementsOf([
    { host: "192.0.2.9", remainingMs: 1000 },
    { host: "192.0.2.8", remainingMs: 2000, isNew: true },
    { host: "192.0.2.10", remainingMs: 0 },
    { host: "192.0.2.11", remainingMs: -5 },
    { host: "192.0.2.12", remainingMs: NaN },
    { host: "255.255.255.255", remainingMs: 1000 },
    { host: "FFFF:ffff:ffff:ffff:ffff:ffff:ffff:ffff", remainingMs: 1000 },
    { host: "2001:db8:0::9/64", remainingMs: undefined, isNew: true },
  ]);
  const [nine, eight] = [9, 8].map((last) => ({
    key: Uint8Array.of(192, 0, 2, last),
    timeoutMs: last === 9 ? 1000 : 2000,
  }));
  const network = {
    key: Uint8Array.fromHex("20010db8000000000000000000000000"),
    timeoutMs: undefined,
  };
  assert.deepEqual(elements.map(({ set, elements, known }) => [set.name, elements, known]), [
    ["blocked4", [nine, eight], [nine]],
    ["networks6_64", [network], []],
  ]);
});

Deno.test("elementsOf() refuses what is no host", () => {
  assert.throws(() => elementsOf([{ host: "nowhere", remainingMs: 1 }]), RangeError);
});

const RULES: [host: string, rule: string][] = [
  ["192.0.2.9", "ip saddr @blocked4 counter drop"],
  ["192.0.2.0/25", "ip saddr & 255.255.255.128 @networks4_25 counter drop"],
  ["2001:db8::9", "ip6 saddr @blocked6 counter drop"],
  ["2001:db8::/60", "ip6 saddr & ffff:ffff:ffff:fff0:0:0:0:0 @networks6_60 counter drop"],
];

for (const [host, rule] of RULES) {
  Deno.test(`definition() makes the rule "${rule}" for ${host}`, () => {
    assert.ok(definition(targetOf(host).set).endsWith(` prerouting ${rule}\n`));
  });
}
