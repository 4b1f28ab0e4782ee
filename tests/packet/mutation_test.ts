import assert from "node:assert/strict";
import fc from "fast-check";
import { decode, LinkType } from "../../src/packet/decode.ts";
import { Headers } from "../../src/packet/headers.ts";
import { Packet, Reject } from "../../src/packet/packet.ts";
import {
  authentication,
  bytes,
  corpus,
  extension,
  fragmentHeader,
  icmp,
  ipv4,
  ipv6,
  LINKS,
  type NamedFrame,
  tcp,
  udp,
} from "../frames.ts";

const FRAMES = 100_000;
const LINK_TYPES = [...Object.values(LinkType), 4242];

/** The corpus, and every shape the builders know on every link type. */
function seeds(): NamedFrame[] {
  const chain = bytes(extension(43), extension(51), authentication(44), fragmentHeader(6, 0, true));
  const built = LINKS.flatMap(([name, linkType, build]) => [
    { name, linkType, bytes: build(ipv4(tcp({ options: 40 }), { options: 40 }), 0x0800) },
    { name, linkType, bytes: build(ipv4(udp(), { protocol: 17 }), 0x0800) },
    { name, linkType, bytes: build(ipv4(icmp(), { protocol: 1 }), 0x0800) },
    { name, linkType, bytes: build(ipv6(icmp(128), { nextHeader: 58 }), 0x86dd) },
    {
      name,
      linkType,
      bytes: build(ipv6(bytes(extension(60), chain, tcp()), { nextHeader: 0 }), 0x86dd),
    },
  ]);
  return [...corpus(), ...built];
}

Deno.test(`decode() survives ${FRAMES} mutated frames, and says why when it rejects one`, () => {
  const packet = new Packet();
  const headers = new Headers();
  const frames = seeds();
  const mutation = fc.record({
    seed: fc.nat(frames.length - 1),
    cut: fc.nat(200),
    linkType: fc.option(fc.constantFrom(...LINK_TYPES), { nil: undefined }),
    writes: fc.array(fc.tuple(fc.nat(160), fc.nat(255)), { maxLength: 6 }),
  });
  let accepted = 0;
  fc.assert(
    fc.property(mutation, ({ seed, cut, linkType, writes }) => {
      const frame = frames[seed].bytes.slice();
      for (const [at, value] of writes) if (at < frame.length) frame[at] = value;
      const length = Math.max(0, frame.length - (cut > 100 ? 0 : cut));
      const taken = decode(frame, length, linkType ?? frames[seed].linkType, packet);
      assert.equal(packet.reject === Reject.None, taken);
      if (!taken) return;
      accepted++;
      assert.ok(packet.version === 4 || packet.version === 6);
      assert.ok(packet.destinationPort >= 0 && packet.destinationPort <= 65_535);
      assert.ok(packet.tcpFlags >= 0 && packet.tcpFlags <= 255);
      assert.ok(headers.read(packet));
      assert.ok(headers.ttl >= 0 && headers.ttl <= 255);
      assert.equal(headers.sequence, headers.sequence | 0);
      assert.ok(headers.payloadLength >= -1);
    }),
    { numRuns: FRAMES },
  );
  assert.ok(
    accepted > FRAMES / 20,
    `only ${accepted} frames got through: the mutations are too wild`,
  );
  assert.ok(accepted < FRAMES * 0.95, `${accepted} frames got through: the mutations are too tame`);
});

Deno.test("decode() and Headers.read() never read past the length they are given", () => {
  const packet = new Packet();
  const other = new Packet();
  const headers = new Headers();
  const otherHeaders = new Headers();
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds()),
      fc.nat(200),
      fc.uint8Array({ minLength: 200, maxLength: 200 }),
      (seed, cut, noise) => {
        const length = Math.min(cut, seed.bytes.length);
        const clean = new Uint8Array(400);
        clean.set(seed.bytes.subarray(0, length));
        const noisy = clean.slice();
        noisy.set(noise, length);
        assert.equal(
          decode(clean, length, seed.linkType, packet),
          decode(noisy, length, seed.linkType, other),
        );
        assert.equal(packet.reject, other.reject);
        if (packet.reject === Reject.None) {
          assert.equal(packet.destinationPort, other.destinationPort);
          assert.equal(packet.tcpFlags, other.tcpFlags);
          assert.equal(packet.ipOptions, other.ipOptions);
          headers.read(packet);
          otherHeaders.read(other);
          assert.deepEqual(headers, otherHeaders);
        }
      },
    ),
    { numRuns: 20_000 },
  );
});
