import assert from "node:assert/strict";
import { formatAddress } from "../../src/packet/address.ts";
import { decode, LinkType } from "../../src/packet/decode.ts";
import {
  IcmpType,
  IpOptions,
  Packet,
  Protocol,
  Reject,
  REJECT_NAMES,
} from "../../src/packet/packet.ts";
import {
  authentication,
  bytes,
  cooked,
  corpusFrame,
  ethernet,
  extension,
  fragmentHeader,
  icmp,
  ipv4,
  ipv6,
  LINKS,
  SYN,
  tcp,
  udp,
} from "../frames.ts";

const { Ethernet, Raw } = LinkType;

function decoded(frame: Uint8Array, linkType: number): Packet {
  const packet = new Packet();
  assert.equal(decode(frame, frame.length, linkType, packet), true, REJECT_NAMES[packet.reject]);
  return packet;
}

function rejected(frame: Uint8Array, linkType: number): string {
  const packet = new Packet();
  assert.equal(decode(frame, frame.length, linkType, packet), false);
  return REJECT_NAMES[packet.reject];
}

for (const [name, linkType, build] of LINKS) {
  Deno.test(`decode() reads IPv4 and IPv6 on ${name}`, () => {
    const four = decoded(build(ipv4(tcp()), 0x0800), linkType);
    assert.equal(formatAddress(four.version, four.source), "192.0.2.9");
    assert.equal(formatAddress(four.version, four.destination), "192.0.2.1");
    const six = decoded(build(ipv6(tcp()), 0x86dd), linkType);
    assert.equal(formatAddress(six.version, six.source), "2001:db8::9");
    assert.equal(formatAddress(six.version, six.destination), "2001:db8::1");
  });
}

const CORPUS: [name: string, flags: number, ipOptions: number][] = [
  ["tcp4_syn", SYN, IpOptions.NotSet],
  ["tcp4_null", 0, IpOptions.NotSet],
  ["tcp4_fin", 0x01, IpOptions.NotSet],
  ["tcp4_xmas", 0x29, IpOptions.NotSet],
  ["tcp4_ack", 0x10, IpOptions.NotSet],
  ["tcp4_syn_options", SYN, IpOptions.Set],
  ["tcp4_syn_sll", SYN, IpOptions.NotSet],
  ["tcp4_syn_sll2", SYN, IpOptions.NotSet],
  ["tcp6_syn", SYN, IpOptions.Unknown],
];

for (const [name, flags, ipOptions] of CORPUS) {
  Deno.test(`decode() reads nmap's ${name}`, () => {
    const frame = corpusFrame(name);
    const packet = decoded(frame.bytes, frame.linkType);
    assert.equal(packet.protocol, Protocol.Tcp);
    assert.equal(packet.sourcePort, 40000);
    assert.equal(packet.destinationPort, 23);
    assert.equal(packet.tcpFlags, flags);
    assert.equal(packet.ipOptions, ipOptions);
  });
}

Deno.test("decode() reads a UDP datagram's ports and clears the TCP flags", () => {
  const packet = decoded(ethernet(ipv4(tcp())), Ethernet);
  decode(ipv4(udp(), { protocol: 17 }), 28, Raw, packet);
  assert.equal(packet.protocol, Protocol.Udp);
  assert.equal(packet.destinationPort, 161);
  assert.equal(packet.tcpFlags, 0);
});

const REQUESTS: [name: string, type: IcmpType, frame: Uint8Array][] = [
  ["an echo request", IcmpType.Echo, ipv4(icmp(8), { protocol: 1 })],
  ["a timestamp request", IcmpType.Timestamp, ipv4(icmp(13), { protocol: 1 })],
  ["an address mask request", IcmpType.AddressMask, ipv4(icmp(17), { protocol: 1, options: 8 })],
  ["an echo request of ICMPv6", IcmpType.Echo, ipv6(icmp(128), { nextHeader: 58 })],
  [
    "an echo request of ICMPv6 behind options",
    IcmpType.Echo,
    ipv6(bytes(extension(58), icmp(128)), { nextHeader: 60 }),
  ],
];

for (const [name, type, frame] of REQUESTS) {
  Deno.test(`decode() reads ${name}, which has no ports and flags`, () => {
    const packet = decoded(ethernet(ipv4(tcp())), Ethernet);
    assert.equal(decode(frame, frame.length, Raw, packet), true);
    assert.equal(packet.protocol, Protocol.Icmp);
    assert.equal(packet.icmpType, type);
    assert.deepEqual([packet.sourcePort, packet.destinationPort, packet.tcpFlags], [0, 0, 0]);
  });
}

Deno.test("decode() reads TCP behind 40 bytes of IPv4 options and a TCP header of 60", () => {
  const packet = decoded(ipv4(tcp({ options: 40 }), { options: 40 }), Raw);
  assert.equal(packet.ipOptions, IpOptions.Set);
  assert.equal(packet.destinationPort, 23);
});

Deno.test("decode() leaves Ethernet padding out of the packet", () => {
  const padded = ethernet(bytes(ipv4(tcp().subarray(0, 19)), Array(20).fill(0)));
  assert.equal(rejected(padded, Ethernet), "short TCP header");
});

Deno.test("decode() takes an IPv4 total length of zero for an offloaded packet", () => {
  assert.equal(decoded(ipv4(tcp(), { totalLength: 0 }), Raw).destinationPort, 23);
});

const EXTENSIONS: [name: string, header: number, bytes: Uint8Array][] = [
  ["hop-by-hop", 0, extension(6)],
  ["routing", 43, extension(6, 2)],
  ["destination options of 2048 bytes", 60, extension(6, 255)],
  ["mobility", 135, extension(6, 1)],
  ["HIP", 139, extension(6, 4)],
  ["shim6", 140, extension(6)],
  ["authentication", 51, authentication(6)],
  ["first fragment", 44, fragmentHeader(6, 0, true)],
  ["atomic fragment", 44, fragmentHeader(6, 0, false)],
  [
    "a chain of four",
    0,
    bytes(extension(43), extension(44), fragmentHeader(60, 0, true), extension(6)),
  ],
];

for (const [name, nextHeader, headers] of EXTENSIONS) {
  Deno.test(`decode() walks IPv6 extension headers: ${name}`, () => {
    const packet = decoded(ipv6(bytes(headers, tcp()), { nextHeader }), Raw);
    assert.equal(packet.destinationPort, 23);
    assert.equal(packet.ipOptions, IpOptions.Unknown);
  });
  Deno.test(`decode() rejects IPv6 extension headers cut short: ${name}`, () => {
    const whole = ipv6(bytes(headers, tcp()), { nextHeader });
    const packet = new Packet();
    for (let cut = 40; cut < 40 + headers.length; cut++) {
      assert.equal(decode(whole, cut, Raw, packet), false);
      assert.equal(packet.reject, Reject.ShortExtensionHeader, `cut at ${cut}`);
    }
  });
}

const REJECTED: [why: string, name: string, frame: Uint8Array, linkType: number][] = [
  ["short link header", "an Ethernet header cut at 13 bytes", new Uint8Array(13), Ethernet],
  [
    "short link header",
    "a VLAN tag cut at 3 bytes",
    ethernet(new Uint8Array(0), 0x0800, [0x8100]).subarray(0, 17),
    Ethernet,
  ],
  [
    "short link header",
    "a cooked header cut at 15 bytes",
    cooked(new Uint8Array(0)).subarray(0, 15),
    LinkType.LinuxCooked,
  ],
  ["short link header", "a null header cut at 3 bytes", new Uint8Array(3), LinkType.Null],
  ["not IP", "an ARP frame", corpusFrame("arp").bytes, Ethernet],
  ["not IP", "IP version 5", ipv4(tcp(), { version: 5 }), Raw],
  [
    "bad IP header",
    "IP version 5 announced as IPv4",
    ethernet(ipv4(tcp(), { version: 5 })),
    Ethernet,
  ],
  ["bad IP header", "an IPv4 header length of 16", bytes([0x44], ipv4(tcp()).subarray(1)), Raw],
  [
    "bad IP header",
    "an IPv4 total length shorter than its header",
    ipv4(tcp(), { totalLength: 19 }),
    Raw,
  ],
  ["short IP header", "an empty packet", new Uint8Array(0), Raw],
  ["short IP header", "an IPv4 header cut at 19 bytes", ipv4(tcp()).subarray(0, 19), Raw],
  ["short IP header", "IPv4 options cut short", ipv4(tcp(), { options: 8 }).subarray(0, 24), Raw],
  ["short IP header", "an IPv6 header cut at 39 bytes", ipv6(tcp()).subarray(0, 39), Raw],
  ["later fragment", "an IPv4 fragment with an offset", ipv4(tcp(), { fragment: 1 }), Raw],
  [
    "later fragment",
    "nmap -f's second fragment",
    corpusFrame("tcp4_later_fragment").bytes,
    Ethernet,
  ],
  [
    "later fragment",
    "an IPv6 fragment with an offset",
    ipv6(bytes(fragmentHeader(6, 1, true), tcp()), { nextHeader: 44 }),
    Raw,
  ],
  [
    "short TCP header",
    "nmap -f's first fragment of 8 bytes",
    corpusFrame("tcp4_tiny_first_fragment").bytes,
    Ethernet,
  ],
  ["short TCP header", "a TCP header cut at 19 bytes", ipv4(tcp().subarray(0, 19)), Raw],
  ["short TCP header", "TCP options cut short", ipv4(tcp({ options: 8 }).subarray(0, 24)), Raw],
  ["bad TCP header", "a TCP data offset of 16 bytes", ipv4(tcp({ dataOffset: 4 })), Raw],
  [
    "short UDP header",
    "a UDP header cut at 7 bytes",
    ipv4(udp().subarray(0, 7), { protocol: 17 }),
    Raw,
  ],
  ["bad UDP header", "a UDP length of 7", ipv4(udp({ length: 7 }), { protocol: 17 }), Raw],
  ["neither TCP nor UDP", "an answer of ICMP", ipv4(icmp(0), { protocol: 1 }), Raw],
  ["neither TCP nor UDP", "an error of ICMP", ipv4(icmp(3), { protocol: 1 }), Raw],
  ["neither TCP nor UDP", "an answer of ICMPv6", ipv6(icmp(129), { nextHeader: 58 }), Raw],
  [
    "neither TCP nor UDP",
    "ICMP's number for echo in ICMPv6",
    ipv6(icmp(8), { nextHeader: 58 }),
    Raw,
  ],
  ["neither TCP nor UDP", "ICMP over IPv6", ipv6(icmp(8), { nextHeader: 1 }), Raw],
  ["neither TCP nor UDP", "ICMPv6 over IPv4", ipv4(icmp(128), { protocol: 58 }), Raw],
  [
    "short ICMP header",
    "an echo request cut at 7 bytes",
    ipv4(icmp().subarray(0, 7), { protocol: 1 }),
    Raw,
  ],
  ["neither TCP nor UDP", "ESP in IPv6", ipv6(tcp(), { nextHeader: 50 }), Raw],
  ["neither TCP nor UDP", "no next header", ipv6(new Uint8Array(0), { nextHeader: 59 }), Raw],
  [
    "neither TCP nor UDP",
    "ICMPv6 behind a hop-by-hop header",
    corpusFrame("icmp6_hop_by_hop").bytes,
    Ethernet,
  ],
  ["unknown link type", "a link type nobody knows", tcp(), 4242],
];

for (const [why, name, frame, linkType] of REJECTED) {
  Deno.test(`decode() rejects ${name} as ${why}`, () => {
    assert.equal(rejected(frame, linkType), why);
  });
}

Deno.test("decode() reads an IPv6 payload length of zero as a jumbogram's", () => {
  const packet = decoded(
    ipv6(bytes(extension(6), tcp()), { nextHeader: 0, payloadLength: 0 }),
    Raw,
  );
  assert.equal(packet.destinationPort, 23);
});

Deno.test("REJECT_NAMES names every reason", () => {
  assert.equal(REJECT_NAMES.length, Object.keys(Reject).length);
  assert.deepEqual(Object.values(Reject), REJECT_NAMES.map((_, i) => i));
});
