import assert from "node:assert/strict";
import { createServer } from "node:net";
import fc from "fast-check";
import { readSystemFile } from "../../ffi/libc.ts";
import { Packet, Protocol } from "../../src/packet/packet.ts";
import { LocalSockets } from "../../src/sentry/local_sockets.ts";
import { ListedServices } from "../../src/sentry/services.ts";

const HEADER =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n";

function packet(protocol: Protocol, version: number, destination: number[], port: number): Packet {
  const packet = new Packet();
  packet.protocol = protocol;
  packet.version = version;
  packet.destination.set(destination);
  packet.destinationPort = port;
  packet.source.set(
    version === 4 ? [10, 0, 0, 2] : [0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
  );
  packet.sourcePort = 53;
  return packet;
}

const SIX = [0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const TCP = `${HEADER}   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0
   1: 00000000:0050 00000000:0000 0A 0 0 0 0
   2: 0100000A:9C40 0200000A:0050 01 0 0 0 0
`;
const TCP6 =
  `${HEADER}   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A
   1: 00000120000000000000000001000000:1F91 00000000000000000000000000000000:0000 0A
   2: 0000000000000000FFFF00000100000A:1F92 00000000000000000000000000000000:0000 0A
`;
const UDP = `${HEADER}   0: 0100000A:8000 0200000A:0035 01 0 0
   1: 0100000A:8001 0300000A:0035 01 0 0
   2: 00000000:0035 00000000:0000 07 0 0
`;

const CASES: [name: string, packet: Packet, takes: boolean][] = [
  ["loopback's service from loopback", packet(6, 4, [127, 0, 0, 1], 22), true],
  ["loopback's service at another address", packet(6, 4, [10, 0, 0, 1], 22), false],
  ["a service at any address", packet(6, 4, [10, 0, 0, 1], 80), true],
  ["an IPv4 service over IPv6", packet(6, 6, SIX, 80), false],
  ["the local end of a connection", packet(6, 4, [10, 0, 0, 1], 40000), false],
  ["a dual-stack service over IPv4", packet(6, 4, [10, 0, 0, 1], 8080), true],
  ["a dual-stack service over IPv6", packet(6, 6, SIX, 8080), true],
  ["an IPv6 service at its address", packet(6, 6, SIX, 8081), true],
  ["an IPv4-mapped service", packet(6, 4, [10, 0, 0, 1], 8082), true],
  ["a UDP socket connected to the source", packet(17, 4, [10, 0, 0, 1], 0x8000), true],
  ["a UDP socket connected to another", packet(17, 4, [10, 0, 0, 1], 0x8001), false],
  ["a UDP service", packet(17, 4, [10, 0, 0, 1], 53), true],
  ["a TCP service over UDP", packet(17, 4, [10, 0, 0, 1], 80), false],
];

for (const [name, packet, takes] of CASES) {
  Deno.test(`LocalSockets.takes() ${takes ? "finds" : "does not find"} ${name}`, () => {
    const sockets = new LocalSockets([
      { protocol: Protocol.Tcp, table: TCP },
      { protocol: Protocol.Tcp, table: TCP6 },
      { protocol: Protocol.Udp, table: UDP },
    ]);
    assert.equal(sockets.takes(packet), takes);
  });
}

Deno.test("LocalSockets.takes() finds TCP connections if asked for, and each one's own peer alone", () => {
  const sockets = new LocalSockets([{ protocol: Protocol.Tcp, table: TCP }], { connections: true });
  const segment = packet(6, 4, [10, 0, 0, 1], 40000);
  assert.equal(sockets.takes(segment), false);
  segment.sourcePort = 80;
  assert.equal(sockets.takes(segment), true);
  segment.source[3] = 3;
  assert.equal(sockets.takes(segment), false);
  assert.equal(sockets.takes(packet(6, 4, [10, 0, 0, 1], 80)), true);
});

Deno.test("ListedServices finds a real listener in /proc/net", async () => {
  assert.match(readSystemFile("/proc/net/tcp"), /local_address/);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const services = new ListedServices();
  assert.equal(services.has(packet(6, 4, [127, 0, 0, 1], port)), true);
  assert.equal(services.has(packet(6, 4, [127, 0, 0, 2], port)), false);
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("LocalSockets reads 40,000 sockets of one port in less than a second", () => {
  const lines = Array.from({ length: 40_000 }, (_, i) => {
    const remote = `${i.toString(16).padStart(8, "0")}:${(1024 + i).toString(16)}`.toUpperCase();
    return `${i}: 0100000A:01BB ${remote} 01 0 0\n`;
  });
  const start = performance.now();
  new LocalSockets([{ protocol: Protocol.Udp, table: HEADER + lines.join("") }]);
  assert.ok(performance.now() - start < 1000, `${performance.now() - start} ms`);
});

Deno.test("LocalSockets survives any table", () => {
  const cell = fc.constantFrom(
    "0:",
    "0100007F:0016",
    "00000000:0000",
    "0A",
    "x",
    ":",
    "",
    "\n",
    " ",
  );
  fc.assert(fc.property(fc.array(cell), (cells) => {
    const sockets = new LocalSockets([{ protocol: Protocol.Tcp, table: cells.join(" ") }]);
    assert.equal(typeof sockets.takes(packet(6, 4, [127, 0, 0, 1], 22)), "boolean");
  }));
});
