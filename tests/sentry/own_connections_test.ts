import assert from "node:assert/strict";
import { PortSet } from "../../src/config/ports.ts";
import { decode, LinkType } from "../../src/packet/decode.ts";
import { Packet } from "../../src/packet/packet.ts";
import { type Handshakes, OwnConnections } from "../../src/sentry/own_connections.ts";
import { ipv4, tcp } from "../frames.ts";

/** A ring of SYN+ACKs from another port, which fills faster than it is emptied. */
class Flood implements Handshakes {
  readonly fd = -1;
  taken = 0;
  readonly #handshake = ipv4(tcp({ flags: 0x12 }));

  next(frame: Uint8Array): number {
    assert.ok(++this.taken < 100_000, "it goes on and on");
    frame.set(this.#handshake);
    return this.#handshake.length;
  }

  setFilter(): void {}
  close(): void {}

  dropped(): number {
    return 0;
  }
}

const RING_HANDSHAKES = 10_080;

function inFlood(use: (connections: OwnConnections, flood: Flood, segment: Packet) => void) {
  const flood = new Flood();
  const ports = new PortSet([{ first: 1, last: 1 }]);
  const connections = new OwnConnections([], ports, assert.fail, flood);
  const segment = new Packet();
  assert.ok(decode(ipv4(tcp({ flags: 0x10, port: 1 })), 40, LinkType.Raw, segment));
  segment.readMs = performance.now() + 3_600_000; // behind all doubt
  use(connections, flood, segment);
  connections.close();
}

Deno.test("OwnConnections.has() answers while the ring of handshakes fills faster than it is emptied", () => {
  inFlood((connections, flood, segment) => {
    assert.equal(connections.has(segment), false);
    assert.ok(flood.taken >= RING_HANDSHAKES, `${flood.taken} taken: the ring holds more`);
  });
});

Deno.test("OwnConnections.has() takes as many handshakes in a turn as their ring holds, and alarms nobody then", () => {
  inFlood((connections, flood, segment) => {
    for (let turn = 1; turn <= 3; turn++) {
      segment.readMs++;
      assert.equal(connections.has(segment), false);
      // These may have come since, and their beginnings, too.
      for (let more = 0; more < 2000; more++) assert.equal(connections.has(segment), true);
      assert.equal(flood.taken, turn * RING_HANDSHAKES);
    }
  });
});
