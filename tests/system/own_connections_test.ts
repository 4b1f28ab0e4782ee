/** What becomes of connections that cannot all be remembered; it takes CAP_NET_RAW, and sends nothing. */
import assert from "node:assert/strict";
import { PortSet } from "../../src/config/ports.ts";
import { CONNECTION_ENTRIES, DOUBT_MS, LATE_SEGMENT_MS } from "../../src/limits.ts";
import { decode, LinkType } from "../../src/packet/decode.ts";
import { Packet } from "../../src/packet/packet.ts";
import { OwnConnections } from "../../src/sentry/own_connections.ts";
import { ipv4, TARGET4, tcp } from "../frames.ts";

Deno.test("OwnConnections that forgets some makes scans of their ports go unseen, and no false alarm", () => {
  const own = [{ address: Uint8Array.from(TARGET4), prefix: 32 }];
  const ports = new PortSet([{ first: 20, last: 29 }]);
  const connections = new OwnConnections(own, ports, assert.fail);
  const packet = new Packet();
  const frame = ipv4(tcp({ flags: 0x10 }));
  assert.ok(decode(frame, frame.length, LinkType.Raw, packet));
  /** The segment of the n-th peer. */
  const has = (n: number, port: number, readMs: number) => {
    packet.source.set([198, 51, n >> 24, n >> 16]);
    packet.sourcePort = n & 0xffff;
    packet.destinationPort = port;
    packet.readMs = readMs;
    return connections.has(packet);
  };
  const start = performance.now();
  // At first what comes is taken for what began before, and remembered.
  for (let n = 0; n < 1000; n++) assert.ok(has(n, 22, start));
  const certain = start + 2 * DOUBT_MS;
  for (let n = 0; n < 1000; n++) assert.ok(has(n, 22, certain));
  assert.equal(has(1000, 22, certain), false);
  assert.equal(has(0, 23, certain), false);
  for (let n = 0; n < CONNECTION_ENTRIES + 50_000; n++) assert.ok(has(n, 25, start + 1));
  for (let n = 0; n < CONNECTION_ENTRIES + 50_000; n++) assert.ok(has(n, 25, certain), `${n}`);
  for (let n = 0; n < 1000; n++) assert.ok(has(n, 22, certain), `${n}`);
  assert.ok(has(-1, 25, certain), "a scan that goes unseen");
  assert.equal(has(-1, 23, certain), false, "a port that nothing was forgotten of");
  assert.equal(has(-1, 25, certain + 2 * LATE_SEGMENT_MS), false);
  connections.close();
});
