import assert from "node:assert/strict";
import fc from "fast-check";
import { MOST_ELEMENTS } from "../../ffi/nft_elements.ts";
import ipaddr from "ipaddr.js";
import { formatAddress } from "../../src/packet/address.ts";
import {
  definition,
  elementsOf,
  keyBytes,
  newElements,
  targetOf,
} from "../../src/response/firewall_table.ts";

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
    assert.deepEqual([target.set.name, target.text], [set, text]);
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
    assert.deepEqual(keyBytes(targetOf(host).text), Uint8Array.from(bytes));
    const bits = Math.min(someBits, bytes.length * 8);
    const kind = bytes.length === 4 ? ipaddr.IPv4 : ipaddr.IPv6;
    const network = kind.networkAddressFromCIDR(`${host}/${bits}`).toByteArray();
    const target = targetOf(`${host}/${bits}`);
    assert.deepEqual([...keyBytes(target.text)], network);
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
      const { text } = targetOf(host);
      assert.match(text, /^(\d{1,3}(\.\d{1,3}){3}|[\da-f]{1,4}(:[\da-f]{1,4}){7})$/);
      assert.ok(ipaddr.isValid(host.split("/")[0]));
    } catch (error) {
      assert.ok(error instanceof RangeError, String(error));
    }
  }));
});

const TIMEOUTS: [remainingMs: number | undefined, text: string][] = [
  [undefined, ""],
  [Infinity, ""],
  [0.001, " timeout 0d20ms"],
  [1, " timeout 0d20ms"],
  [1234.5, " timeout 0d1235ms"],
  [86_399_999.5, " timeout 1d0ms"],
  [30 * 86_400_000 + 5, " timeout 30d5ms"],
  [Number.MAX_VALUE, " timeout 36500d0ms"],
];

for (const [remainingMs, text] of TIMEOUTS) {
  Deno.test(`elementsOf() writes ${remainingMs} ms as "${text}"`, () => {
    const [{ timed }] = elementsOf([{ host: "192.0.2.9", remainingMs }]);
    assert.deepEqual(timed, [`192.0.2.9${text}`]);
  });
}

Deno.test("elementsOf() leaves out what has ended, what comes twice, and the mark of each set", () => {
  const elements = elementsOf([
    { host: "192.0.2.9", remainingMs: 1000 },
    { host: "192.0.2.9", remainingMs: 2000 },
    { host: "192.0.2.10", remainingMs: 0 },
    { host: "192.0.2.11", remainingMs: -5 },
    { host: "192.0.2.12", remainingMs: NaN },
    { host: "255.255.255.255", remainingMs: 1000 },
    { host: "FFFF:ffff:ffff:ffff:ffff:ffff:ffff:ffff", remainingMs: 1000 },
    { host: "2001:db8:0::9", remainingMs: undefined },
    { host: "2001:db8::9", remainingMs: undefined },
  ]);
  assert.deepEqual(elements.map(({ set, keys, timed }) => [set.name, keys, timed]), [
    ["blocked4", ["192.0.2.9"], ["192.0.2.9 timeout 0d2000ms"]],
    ["blocked6", ["2001:db8:0:0:0:0:0:9"], ["2001:db8:0:0:0:0:0:9"]],
  ]);
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

Deno.test("newElements() gives keys and timeouts by set, without the mark and what has ended", () => {
  const elements = newElements([
    { host: "192.0.2.1", remainingMs: 1500.2, isNew: true },
    { host: "192.0.2.2", remainingMs: undefined, isNew: true },
    { host: "192.0.2.3", remainingMs: 0, isNew: true },
    { host: "192.0.2.4", remainingMs: 1, isNew: true },
    { host: "255.255.255.255", remainingMs: 1000, isNew: true },
    { host: "2001:db8::/64", remainingMs: Infinity, isNew: true },
  ]);
  const network = Uint8Array.fromHex("20010db8000000000000000000000000");
  assert.deepEqual(elements, [
    {
      set: "blocked4",
      elements: [
        { key: Uint8Array.of(192, 0, 2, 1), timeoutMs: 1501 },
        { key: Uint8Array.of(192, 0, 2, 2), timeoutMs: undefined },
        { key: Uint8Array.of(192, 0, 2, 4), timeoutMs: 20 },
      ],
    },
    { set: "networks6_64", elements: [{ key: network, timeoutMs: undefined }] },
  ]);
});

Deno.test("newElements() gives undefined when a block may be renewed, or for very many", () => {
  assert.equal(newElements([{ host: "192.0.2.1", remainingMs: 1000 }]), undefined);
  const many = Array.from({ length: MOST_ELEMENTS + 1 }, (_, i) => ({
    host: `10.0.${i >> 8}.${i & 0xff}`,
    remainingMs: 1000,
    isNew: true,
  }));
  assert.equal(newElements(many), undefined);
  assert.equal(newElements(many.slice(1))?.[0].elements.length, MOST_ELEMENTS);
});

Deno.test("newElements() refuses what is no host", () => {
  assert.throws(() => newElements([{ host: "nowhere", remainingMs: 1, isNew: true }]), RangeError);
});
