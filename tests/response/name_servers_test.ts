import assert from "node:assert/strict";
import fc from "fast-check";
import { formatAddress } from "../../src/packet/address.ts";
import { RESOLV_CONF_BYTES } from "../../src/limits.ts";
import { parseNameServers, readNameServers } from "../../src/response/name_servers.ts";

function texts(addresses: Uint8Array[]): string[] {
  return addresses.map((address) => formatAddress(address.length === 4 ? 4 : 6, address));
}

const LINES: [line: string, addresses: string[]][] = [
  ["nameserver 192.0.2.53", ["192.0.2.53"]],
  ["nameserver\t2001:DB8:0::53  ", ["2001:db8::53"]],
  ["  nameserver 192.0.2.53 # office", ["192.0.2.53"]],
  ["nameserver fe80::53%eth0", ["fe80::53"]],
  ["nameserver ::ffff:192.0.2.53", ["192.0.2.53"]],
  ["nameserver 192.0.2.53\r", ["192.0.2.53"]],
  ["nameserver 192.0.2.0/24", []],
  ["nameserver dns.example.net", []],
  ["nameserver", []],
  ["nameserver192.0.2.53", []],
  ["# nameserver 192.0.2.53", []],
  ["; nameserver 192.0.2.53", []],
  ["search example.net 192.0.2.53", []],
];

for (const [line, addresses] of LINES) {
  Deno.test(`parseNameServers() finds ${addresses.length} in ${JSON.stringify(line)}`, () => {
    const text = `domain example.net\n${line}\nnameserver 198.51.100.53\n`;
    assert.deepEqual(texts(parseNameServers(text)), [...addresses, "198.51.100.53"]);
  });
}

Deno.test("parseNameServers() survives any text, and finds addresses only", () => {
  const word = fc.constantFrom("nameserver", " ", "\n", "%", "/", "1", ".", ":", "::", "192.0.2.1");
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(word).map((words) => words.join("")),
  );
  let found = 0;
  fc.assert(
    fc.property(text, (text) => {
      for (const { length } of parseNameServers(text)) {
        found++;
        assert.ok(length === 4 || length === 16);
      }
    }),
    { numRuns: 20_000 },
  );
  assert.ok(found > 0);
});

Deno.test("readNameServers() reads every file there is, and no address that the bound cuts", () => {
  const folder = Deno.makeTempDirSync();
  const [first, second, long] = ["first", "second", "long"].map((name) => `${folder}/${name}`);
  Deno.writeTextFileSync(first, "nameserver 127.0.0.53");
  Deno.writeTextFileSync(second, "nameserver 192.0.2.53\n");
  assert.deepEqual(texts(readNameServers([first, `${folder}/none`, second])), [
    "127.0.0.53",
    "192.0.2.53",
  ]);
  const start = "nameserver 192.0.2.1\n";
  const end = "nameserver 192.0.2.25";
  const between = "#".repeat(RESOLV_CONF_BYTES - start.length - end.length - 1) + "\n";
  Deno.writeTextFileSync(long, start + between + end + "3\n");
  assert.deepEqual(texts(readNameServers([long])), ["192.0.2.1"]);
  assert.throws(() => readNameServers([folder]), {
    message: `read(${folder}): Is a directory`,
  });
  Deno.removeSync(folder, { recursive: true });
});
