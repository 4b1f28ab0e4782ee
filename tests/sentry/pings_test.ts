import assert from "node:assert/strict";
import { PING_QUIET_S } from "../../src/limits.ts";
import { decode, LinkType } from "../../src/packet/decode.ts";
import { Packet } from "../../src/packet/packet.ts";
import { Pings } from "../../src/sentry/pings.ts";
import { icmp, ipv4, ipv6, SOURCE4, SOURCE6 } from "../frames.ts";

const ping4 = (source = SOURCE4, type = 8, destination = [192, 0, 2, 1]) =>
  ipv4(icmp(type), { protocol: 1, source, destination });

Deno.test("Pings tells a host once for each address and kind, until it has been quiet", () => {
  const pings = new Pings();
  const packet = new Packet();
  const isNews = (frame: Uint8Array, readMs: number) => {
    assert.ok(decode(frame, frame.length, LinkType.Raw, packet));
    packet.readMs = readMs;
    return pings.isNews(packet);
  };
  assert.equal(isNews(ping4(), 0), true);
  assert.equal(isNews(ping4(), 1000), false);
  assert.equal(isNews(ping4(SOURCE4, 13), 1000), true, "another kind");
  assert.equal(isNews(ping4(SOURCE4, 8, [192, 0, 2, 2]), 1000), true, "another address");
  assert.equal(isNews(ping4([192, 0, 2, 10]), 1000), true, "another host");
  assert.equal(isNews(ipv6(icmp(128), { nextHeader: 58, source: SOURCE6 }), 1000), true, "IPv6");
  // Every minute, as monitoring does it: never again.
  for (let ms = 60_000; ms < 5000 * PING_QUIET_S; ms += 60_000) {
    assert.equal(isNews(ping4(), ms), false);
  }
  assert.equal(isNews(ping4(), 6000 * PING_QUIET_S), true);
});
