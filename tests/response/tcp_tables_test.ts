import assert from "node:assert/strict";
import fc from "fast-check";
import { formatAddress } from "../../src/packet/address.ts";
import { parseTcpTable, readTcpTables } from "../../src/response/tcp_tables.ts";

const TITLE = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n";
const REST = "00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 20 4\n";

const LINES: [name: string, line: string, told: string[]][] = [
  ["a listening socket", "   0: 00000000:0016 00000000:0000 0A ", ["22 listening"]],
  ["a connection", "  17: 010200C0:0016 090200C0:C350 01 ", ["22 from 192.0.2.9"]],
  ["a connection that is being closed", "   1: 010200C0:0016 090200C0:C350 08 ", []],
  [
    "an IPv6 connection",
    "   0: B80D0120000000000000000001000000:0016 B80D0120000000000000000009000000:C350 01 ",
    ["22 from 2001:db8::9"],
  ],
  [
    "an IPv4 connection of an IPv6 socket",
    "1000: 0000000000000000FFFF0000010200C0:01BB 0000000000000000FFFF0000090200C0:C350 01 ",
    ["443 from 192.0.2.9"],
  ],
];

function told(table: string): string[] {
  return parseTcpTable(table).map(({ localPort, listening, peer }) => {
    const mapped = peer.subarray(0, 12).toHex() === "00000000000000000000ffff";
    const host = mapped ? formatAddress(4, peer.subarray(12)) : formatAddress(6, peer);
    return listening ? `${localPort} listening` : `${localPort} from ${host}`;
  });
}

for (const [name, line, expected] of LINES) {
  Deno.test(`parseTcpTable() reads ${name}`, () => {
    assert.deepEqual(told(TITLE + line + REST), expected);
  });
}

Deno.test("parseTcpTable() survives any table", () => {
  const words = LINES.flatMap(([, line]) => line.split(/(?<=[ :])/));
  const table = fc.array(fc.constantFrom(...words, "\n", "0: ", "FF")).map((all) => all.join(""));
  fc.assert(fc.property(fc.oneof(fc.string(), table), (text) => {
    for (const { peer } of parseTcpTable(TITLE + text)) assert.equal(peer.length, 16);
  }));
});

Deno.test("readTcpTables() finds a real connection at both its ends", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  using client = await Deno.connect({ hostname: "127.0.0.1", port });
  const own = (client.localAddr as Deno.NetAddr).port;
  const ports = readTcpTables().filter(({ listening }) => !listening)
    .map(({ localPort }) => localPort);
  assert.ok(ports.includes(port) && ports.includes(own));
});
