import assert from "node:assert/strict";
import { SystemError } from "../../ffi/libc.ts";
import type { SocketDiagnosis } from "../../ffi/sock_diag.ts";
import { Packet, Protocol } from "../../src/packet/packet.ts";
import { DiagnosedServices } from "../../src/sentry/services.ts";

Deno.test("DiagnosedServices goes on with /proc/net when the kernel fails to answer", () => {
  const ENOBUFS = 105;
  let asked = 0;
  const diagnosis = {
    isBound(): boolean {
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
