import assert from "node:assert/strict";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { type IgnoreList, parseIgnoreFile, parseNetwork } from "../../src/config/ignore_file.ts";
import { formatFault } from "../../src/config/fault.ts";

function ignoreList(text: string): IgnoreList {
  const parsed = parseIgnoreFile(text, "portsentry.ignore");
  assert.ok("ignore" in parsed, JSON.stringify(parsed));
  return parsed.ignore;
}

function has(list: IgnoreList, address: string): boolean {
  const bytes = new Uint8Array(16);
  bytes.set(ipaddr.parse(address).toByteArray());
  return list.has(address.includes(":") ? 6 : 4, bytes);
}

Deno.test("parseIgnoreFile() reads addresses, CIDRs, comments, blank lines and CRLF", () => {
  const list = ignoreList(
    "# us\r\n127.0.0.1/32\r\n\r\n  192.0.2.0/24\t# office\n2001:DB8::/32\n::1",
  );
  assert.equal(list.size, 4);
  for (const address of ["127.0.0.1", "192.0.2.255", "2001:db8:ffff::", "::1"]) {
    assert.ok(has(list, address), address);
  }
  for (const address of ["127.0.0.2", "192.0.3.0", "2001:db9::", "::2"]) {
    assert.ok(!has(list, address), address);
  }
});

Deno.test("parseIgnoreFile() masks host bits off and takes no mask for one host", () => {
  const list = ignoreList("10.0.0.5/8\n192.0.2.7");
  assert.ok(has(list, "10.255.0.1"));
  assert.ok(has(list, "192.0.2.7"));
  assert.ok(!has(list, "192.0.2.6"));
});

Deno.test("parseIgnoreFile() keeps the families apart", () => {
  assert.ok(!has(ignoreList("::/0"), "192.0.2.1"));
  assert.ok(!has(ignoreList("0.0.0.0/0"), "::1"));
  assert.ok(has(ignoreList("0.0.0.0/0"), "255.255.255.255"));
  assert.ok(has(ignoreList("::/0"), "ffff::"));
});

Deno.test("parseNetwork() takes an IPv4-mapped network for the IPv4 one", () => {
  assert.deepEqual(parseNetwork("::ffff:192.0.2.0/120"), parseNetwork("192.0.2.0/24"));
});

Deno.test("parseNetwork() does not take an IPv4-compatible network for the IPv4 one", () => {
  assert.deepEqual(parseNetwork("::192.0.2.1"), parseNetwork("::c000:201"));
  assert.deepEqual(parseNetwork("::0.0.0.0/96"), parseNetwork("::/96"));
});

const FAULTS: [line: string, fault: RegExp][] = [
  ["192.0.2", /Cannot parse "192\.0\.2": write an IPv4 or IPv6 address or CIDR/],
  ["192.0.2.256", /Cannot parse/],
  ["0300.0.2.1", /Cannot parse/],
  ["3221225985", /Cannot parse/],
  ["192.0.2.1/33", /the prefix after "\/" must be a number from 0 to 32/],
  ["192.0.2.1/", /the prefix after "\/" must be a number from 0 to 32/],
  ["192.0.2.1/255.255.255.0", /must be a number from 0 to 32/],
  ["2001:db8::/129", /must be a number from 0 to 128/],
  ["2001:db8::1::", /Cannot parse/],
  ["fe80::1%eth0", /Cannot parse/],
  ["router.example.org", /Cannot parse/],
  ["192.0.2.1 192.0.2.2", /Cannot parse/],
];

for (const [line, fault] of FAULTS) {
  Deno.test(`parseIgnoreFile() refuses ${JSON.stringify(line)}, with its line`, () => {
    const parsed = parseIgnoreFile(`# first\n${line}\n`, "portsentry.ignore");
    assert.ok("faults" in parsed);
    assert.equal(parsed.faults.length, 1);
    assert.match(formatFault(parsed.faults[0]), /^portsentry\.ignore:2: /);
    assert.match(parsed.faults[0].message, fault);
  });
}

Deno.test("parseIgnoreFile() tells every fault", () => {
  const parsed = parseIgnoreFile("x\n::1\ny\n", "f");
  assert.ok("faults" in parsed);
  assert.deepEqual(parsed.faults.map(({ line }) => line), [1, 3]);
});

Deno.test("parseIgnoreFile() survives any text", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
    const parsed = parseIgnoreFile(text, "f");
    if ("faults" in parsed) { for (const { line } of parsed.faults) assert.ok(line > 0); }
  }));
});

const network4 = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }));
// The library that the search relies on reads `::192.0.2.1` wrongly.
const ipv6 = fc.ipV6().map((address) => address.replace(/^::(?=\d+\.)/, "0:0:0:0:0:0:"));
const network6 = fc.tuple(ipv6, fc.integer({ min: 0, max: 128 }));

Deno.test("IgnoreList agrees with a search through all networks", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(network4, network6), { minLength: 1, maxLength: 30 }),
      fc.array(fc.oneof(fc.ipV4(), ipv6), { minLength: 1, maxLength: 30 }),
      (networks, addresses) => {
        const list = ignoreList(
          networks.map(([address, prefix]) => `${address}/${prefix}`).join("\n"),
        );
        const near = networks.map(([address]) => address);
        for (const address of [...addresses, ...near]) {
          const parsed = ipaddr.parse(address);
          // An IPv4-mapped address never is a source on the wire.
          if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress()) continue;
          const expected = networks.some(([network, prefix]) => {
            const other = ipaddr.parse(network);
            return other.kind() === parsed.kind() && parsed.match(other, prefix);
          });
          assert.equal(has(list, address), expected, address);
        }
      },
    ),
    { numRuns: 300 },
  );
});
