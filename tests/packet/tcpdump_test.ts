/**
 * Our reading of frames against tcpdump's: the same packets with the same addresses, ports, protocol
 * and flags, or a reason why not. The reasons are counted, so that one that grows is noticed.
 */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { formatAddress } from "../../src/packet/address.ts";
import { decode, LinkType } from "../../src/packet/decode.ts";
import { Packet, Protocol, Reject, REJECT_NAMES } from "../../src/packet/packet.ts";
import { type RandomFrame, randomFrames } from "./random_frames.ts";
import { readByTcpdump, type Reading } from "./tcpdump.ts";

const FRAMES = 10_000;
const SEED = 20_260_101;

const HEADER_REJECTS: Reject[] = [
  Reject.ShortTcpHeader,
  Reject.BadTcpHeader,
  Reject.ShortUdpHeader,
  Reject.BadUdpHeader,
  Reject.ShortIcmpHeader,
];

type Applies = (ours: Ours, theirs: Reading, frame: RandomFrame) => boolean;

/** Why the two may differ, and in how many of the frames at most. */
const REASONS: [why: string, most: number, applies: Applies][] = [
  [
    // The kernel drops these, too; tcpdump prints the ports that are there.
    "a transport header that is cut short, or that says so of itself",
    550,
    ({ packet, reject }) => !packet && HEADER_REJECTS.includes(reject),
  ],
  [
    // Shim6, HIP and mobility headers, any behind an authentication header, and those in an order
    // or of a kind that RFC 8200 and 5095 advise against. Each can stand before a probe.
    "an IPv6 extension header that tcpdump does not walk",
    950,
    ({ packet }, { text }) =>
      packet?.source.includes(":") === true &&
      /ip-proto-(?:0|43|44|60|135|139|140) | mobility: |\(invalid\)|\[\|\w+opt\]/.test(text),
  ],
  [
    // Its numbers differ from system to system; we go by the IP header's own version.
    "a BSD link header with a family that tcpdump does not know",
    40,
    ({ packet }, { text }, { linkType }) =>
      packet !== undefined && (linkType === LinkType.Null || linkType === LinkType.Loop) &&
      !/^ IP6? /.test(text),
  ],
  [
    // How offloading and jumbograms write lengths that 16 bits cannot hold.
    "an IP length of zero",
    15,
    ({ packet }, { text }) =>
      packet !== undefined && /bad-len 0|payload length: 0\).*\[\|(?:tcp|udp|ip6)\]/.test(text),
  ],
  [
    "a protocol of its own that has ports as well",
    20,
    ({ reject }, { text }) => reject === Reject.NotTcpOrUdp && /DCCP|sctp|PGM/.test(text),
  ],
];

interface Ours {
  reject: Reject;
  packet?: Reading["packet"];
}

const NAMES = {
  [Protocol.Tcp]: "TCP",
  [Protocol.Udp]: "UDP",
  [Protocol.Icmp]: "ICMP",
} as const;

function read({ bytes, length, linkType }: RandomFrame): Ours {
  const packet = new Packet();
  if (!decode(bytes, length, linkType, packet)) return { reject: packet.reject };
  const { version, protocol, sourcePort, destinationPort, tcpFlags, icmpType } = packet;
  return {
    reject: Reject.None,
    packet: {
      protocol: NAMES[protocol],
      source: formatAddress(version, packet.source),
      sourcePort,
      destination: formatAddress(version, packet.destination),
      destinationPort,
      flags: tcpFlags,
      ...(protocol === Protocol.Icmp && { icmpType }),
    },
  };
}

Deno.test(`decode() reads ${FRAMES} frames like tcpdump, or for a reason not`, async () => {
  const frames = randomFrames(FRAMES, SEED);
  const counts = new Map(REASONS.map(([why]) => [why, 0]));
  const unexplained: string[] = [];
  let [same, pings] = [0, 0];
  for (const linkType of new Set(frames.map((frame) => frame.linkType))) {
    const some = frames.filter((frame) => frame.linkType === linkType);
    const readings = await readByTcpdump(linkType, some);
    some.forEach((frame, i) => {
      const ours = read(frame);
      const theirs = readings[i];
      if (isDeepStrictEqual(ours.packet, theirs.packet)) {
        if (ours.packet) same++;
        if (ours.packet?.icmpType !== undefined) pings++;
        return;
      }
      const [why] = REASONS.find(([, , applies]) => applies(ours, theirs, frame)) ?? [];
      if (why !== undefined) return void counts.set(why, counts.get(why)! + 1);
      unexplained.push(
        `link type ${linkType}: ${frame.bytes.subarray(0, frame.length).toHex()}\n` +
          `  ours: ${JSON.stringify(ours.packet) ?? REJECT_NAMES[ours.reject]}\n` +
          `  tcpdump:${theirs.text}`,
      );
    });
  }
  assert.deepEqual(unexplained, []);
  assert.ok(same > FRAMES * 0.4, `only ${same} frames were read by both`);
  assert.ok(pings > FRAMES * 0.02, `only ${pings} of them were pings`);
  for (const [why, most] of REASONS) {
    const count = counts.get(why)!;
    assert.ok(count > 0 && count <= most, `${count} frames differ because of ${why}`);
  }
});
