/**
 * Frames at random: right ones of every kind that the builders know, and such with a few changes.
 *
 * @module
 */
import { LinkType } from "../../src/packet/decode.ts";
import {
  authentication,
  bytes,
  extension,
  fragmentHeader,
  icmp,
  ipv4,
  ipv6,
  LINKS,
  setIpChecksum,
  tcp,
  u16,
  udp,
} from "../frames.ts";
import { Mutator } from "../fuzz/mutate.ts";
import { Random } from "../fuzz/random.ts";
import { bytesTarget } from "../fuzz/target.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A frame, and how much of it was captured. */
export interface RandomFrame {
  linkType: number;
  bytes: Bytes;
  length: number;
}

const TCP = 6;
const UDP = 17;
const ICMP = 1;
const ICMPV6 = 58;
/** Extension headers: number, and a header before `next`. */
const EXTENSIONS: [number, (next: number, random: Random) => Bytes][] = [
  [0, (next, random) => extension(next, random.below(3))],
  [43, (next, random) => extension(next, random.below(3))],
  [44, (next, random) => fragmentHeader(next, random.oneIn(3) ? 1 + random.below(99) : 0, false)],
  [51, (next, random) => authentication(next, 1 + random.below(6))],
  [60, (next, random) => extension(next, random.below(3))],
  [135, (next) => extension(next)],
  [139, (next, random) => extension(next, random.below(3))],
  [140, (next) => extension(next)],
];

/** As many frames as are asked for, the same ones for the same seed. */
export function randomFrames(count: number, seed: number): RandomFrame[] {
  const random = new Random(seed, "frames");
  const target = bytesTarget("frames", () => "");
  return Array.from({ length: count }, () => {
    const frame = rightFrame(random);
    if (random.oneIn(2)) return { ...frame, length: frame.bytes.length };
    const pool = [{ name: "frame", bytes: frame.bytes }];
    const changed = random.oneIn(4) ? frame.bytes : new Mutator(target, pool, random).next();
    const cut = random.oneIn(3) ? random.below(changed.length + 1) : changed.length;
    return { linkType: frame.linkType, bytes: changed, length: cut };
  });
}

function rightFrame(random: Random): { linkType: number; bytes: Bytes } {
  const six = random.oneIn(2);
  const others = random.oneIn(4) ? random.below(256) : six === random.oneIn(8) ? ICMP : ICMPV6;
  const protocol = random.oneIn(2) ? TCP : random.oneIn(2) ? others : UDP;
  const payload = Uint8Array.from({ length: random.below(24) }, () => random.next());
  const transport = transportOf(protocol, payload, random);
  const ip = six
    ? ipv6Packet(transport, protocol, random)
    : ipv4Packet(transport, protocol, random);
  const [, linkType, build] = random.pick(LINKS);
  // Ethernet pads a frame to 60 bytes.
  const padding = linkType === LinkType.Ethernet ? Math.max(0, 46 - ip.length) : 0;
  return { linkType, bytes: build(bytes(ip, new Uint8Array(padding)), six ? 0x86dd : 0x0800) };
}

function transportOf(protocol: number, payload: Uint8Array, random: Random): Bytes {
  if (protocol === ICMP || protocol === ICMPV6) {
    return bytes(icmp(random.pick([0, 3, 8, 13, 17, 128, 129, 135])), payload);
  }
  const port = random.next() & 0xffff;
  const header = protocol === UDP
    ? udp({ port, length: 8 + payload.length })
    : tcp({ port, flags: random.next() & 0xff, options: 4 * random.below(11) });
  header.set(u16(random.next() & 0xffff));
  return bytes(header, payload);
}

function ipv4Packet(transport: Bytes, protocol: number, random: Random): Bytes {
  const packet = ipv4(transport, {
    protocol,
    options: random.oneIn(4) ? 4 * random.below(11) : 0,
    fragment: random.oneIn(8) ? random.next() & 0x3fff : 0,
    source: address(4, random),
    destination: address(4, random),
  });
  setIpChecksum(packet);
  return packet;
}

function ipv6Packet(transport: Bytes, protocol: number, random: Random): Bytes {
  let payload = transport;
  let nextHeader = protocol;
  for (let headers = random.oneIn(2) ? random.below(4) : 0; headers > 0; headers--) {
    const [number, build] = random.pick(EXTENSIONS);
    payload = bytes(build(nextHeader, random), payload);
    nextHeader = number;
  }
  return ipv6(payload, {
    nextHeader,
    source: address(16, random),
    destination: address(16, random),
  });
}

function address(size: number, random: Random): number[] {
  return Array.from({ length: size }, () => random.oneIn(3) ? 0 : random.next() & 0xff);
}
