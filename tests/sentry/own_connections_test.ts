import assert from "node:assert/strict";
import { PortSet } from "../../src/config/ports.ts";
import { decode, LinkType } from "../../src/packet/decode.ts";
import { Packet } from "../../src/packet/packet.ts";
import { type Handshakes, OwnConnections } from "../../src/sentry/own_connections.ts";
import { ipv4, tcp } from "../frames.ts";

Deno.test("OwnConnections.has() answers while the ring of handshakes fills faster than it is emptied", () => {
  const handshake = ipv4(tcp({ flags: 0x12 }));
  let taken = 0;
  const flood: Handshakes = {
    fd: -1,
    setFilter: () => {},
    dropped: () => 0,
    close: () => {},
    next(frame) {
      assert.ok(++taken < 100_000, "it goes on and on");
      frame.set(handshake);
      return handshake.length;
    },
  };
  const connections = new OwnConnections(
    [],
    new PortSet([{ first: 1, last: 1 }]),
    assert.fail,
    flood,
  );
  const segment = new Packet();
  assert.ok(decode(ipv4(tcp({ flags: 0x10, port: 1 })), 40, LinkType.Raw, segment));
  segment.readMs = performance.now() + 3_600_000; // behind all doubt
  assert.equal(connections.has(segment), false);
  assert.ok(taken >= 10_080, `${taken} taken: the ring holds more`);
  connections.close();
});
