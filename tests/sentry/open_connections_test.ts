import assert from "node:assert/strict";
import { SystemError } from "../../ffi/libc.ts";
import { type SocketDiagnosis, TCP_LISTEN } from "../../ffi/sock_diag.ts";
import { CONNECTION_QUESTIONS, SERVICE_CACHE_MS } from "../../src/limits.ts";
import { Packet } from "../../src/packet/packet.ts";
import { Found, OpenConnections } from "../../src/sentry/open_connections.ts";

const HOME = [127, 0, 0, 1];

/** A segment to a port of this host, from one of its own. */
function segment(port: number, from: number, readMs = 0): Packet {
  const packet = new Packet();
  packet.source.set(HOME);
  packet.destination.set(HOME);
  packet.sourcePort = from;
  packet.destinationPort = port;
  packet.readMs = readMs;
  return packet;
}

/** A real connection, whose ends close after `using`. */
async function connection() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  const server = await listener.accept();
  const from = (client.localAddr as Deno.NetAddr).port;
  const close = () => [client, server, listener].forEach((one) => one.close());
  return { port, from, [Symbol.dispose]: close };
}

Deno.test("OpenConnections finds a connection from both sides, the listener, and nothing", async () => {
  using real = await connection();
  const open = new OpenConnections(assert.fail);
  assert.equal(open.find(segment(real.port, real.from)), Found.Connection);
  assert.equal(open.find(segment(real.from, real.port)), Found.Connection);
  assert.equal(open.find(segment(real.port, 1)), Found.Listener);
  assert.equal(open.find(segment(real.from, 1)), Found.Nothing);
  const found: number[] = [];
  open.list(new Uint8Array(36), (port) => found.push(port));
  assert.ok(found.includes(real.port) && found.includes(real.from));
  open.close();
});

Deno.test("OpenConnections reads /proc/net where the kernel does not answer", async () => {
  using real = await connection();
  const ENOBUFS = 105;
  const refuses = () => {
    throw new SystemError("recv(sock_diag)", ENOBUFS);
  };
  const told: string[] = [];
  const diagnosis = { stateOf: refuses, allTcpConnections: refuses, close() {} };
  const open = new OpenConnections(
    (text) => told.push(text),
    diagnosis as unknown as SocketDiagnosis,
  );
  assert.equal(open.find(segment(real.port, real.from)), Found.Connection);
  assert.equal(open.find(segment(real.from, real.port)), Found.Connection);
  assert.equal(open.find(segment(real.from, 1)), Found.Nothing);
  assert.deepEqual(told, [
    "Connections are read from /proc/net from now on: recv(sock_diag): No buffer space available",
  ]);
});

Deno.test("OpenConnections asks about each segment while they are few, and lists ports in a flood", () => {
  let [asked, listed] = [0, 0];
  const diagnosis = {
    stateOf(_protocol: number, _version: number, _local: Uint8Array, port: number) {
      asked++;
      return port === 4000 ? 1 : port === 80 ? TCP_LISTEN : 0;
    },
    usedTcpPorts(ports: Uint8Array) {
      listed++;
      ports[4000] = 1;
    },
    close() {},
  } as unknown as SocketDiagnosis;
  const open = new OpenConnections(assert.fail, diagnosis);
  assert.equal(open.find(segment(4000, 9)), Found.Connection);
  assert.equal(open.find(segment(80, 9)), Found.Listener);
  for (let i = 0; i < 10_000; i++) open.find(segment(4001, 9, 1));
  assert.deepEqual([asked, listed], [CONNECTION_QUESTIONS, 1]);
  assert.equal(open.find(segment(4000, 9, 1)), Found.Connection);
  assert.equal(open.find(segment(4001, 9, SERVICE_CACHE_MS + 1)), Found.Nothing);
  assert.deepEqual([asked, listed], [CONNECTION_QUESTIONS + 2, 1]);
});
