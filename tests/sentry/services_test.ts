import assert from "node:assert/strict";
import { SystemError } from "../../ffi/libc.ts";
import type { SocketDiagnosis } from "../../ffi/sock_diag.ts";
import { SERVICE_CACHE_MS, SERVICE_QUESTIONS } from "../../src/limits.ts";
import { Packet, Protocol } from "../../src/packet/packet.ts";
import { DiagnosedServices } from "../../src/sentry/services.ts";

Deno.test("DiagnosedServices goes on with /proc/net when the kernel fails to answer", () => {
  const ENOBUFS = 105;
  let asked = 0;
  const diagnosis = {
    stateOf(): number {
      asked++;
      throw new SystemError("recv(sock_diag)", ENOBUFS);
    },
    close() {},
  } as unknown as SocketDiagnosis;
  const told: string[] = [];
  const services = new DiagnosedServices(diagnosis, (text) => told.push(text));
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const packet = new Packet();
  packet.protocol = Protocol.Tcp;
  packet.destination.set([127, 0, 0, 1]);
  packet.destinationPort = (listener.addr as Deno.NetAddr).port;
  assert.equal(services.has(packet), true);
  packet.destination.set([127, 0, 0, 2]);
  assert.equal(services.has(packet), false);
  assert.equal(asked, 1);
  assert.deepEqual(told, [
    "Services are read from /proc/net from now on: recv(sock_diag): No buffer space available",
  ]);
});

Deno.test("DiagnosedServices asks about each UDP packet while they are few, and lists ports in a flood", () => {
  let asked = 0;
  let listed = 0;
  const diagnosis = {
    stateOf(
      _protocol: number,
      _version: number,
      _local: Uint8Array,
      _port: number,
      _remote: Uint8Array,
      remotePort: number,
    ) {
      if (remotePort === 0) return 0; // no unconnected socket
      asked++;
      return remotePort === 53 ? 1 : 0;
    },
    connectedUdpPorts(ports: Uint8Array) {
      listed++;
      ports[4000] = 1;
    },
    close() {},
  } as unknown as SocketDiagnosis;
  const services = new DiagnosedServices(diagnosis, () => {});
  const packet = new Packet();
  packet.protocol = Protocol.Udp;
  const has = (port: number, from: number, readMs: number) => {
    packet.destinationPort = port;
    packet.sourcePort = from;
    packet.readMs = readMs;
    return services.has(packet);
  };
  assert.equal(has(4000, 53, 0), true);
  assert.equal(has(4001, 99, 0), false);
  assert.deepEqual([asked, listed], [2, 0]);
  for (let i = 0; i < 10_000; i++) has(4001, 99, 1);
  assert.deepEqual([asked, listed], [SERVICE_QUESTIONS, 1]);
  assert.equal(has(4000, 53, 1), true);
  assert.equal(has(4000, 99, 1), false);
  assert.equal(has(4001, 99, SERVICE_CACHE_MS + 1), false);
  assert.equal(asked, SERVICE_QUESTIONS + 3);
});
