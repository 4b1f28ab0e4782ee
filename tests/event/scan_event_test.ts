import assert from "node:assert/strict";
import { Verdict } from "../../src/detector/verdict.ts";
import { scanEvent, tcpScanType } from "../../src/event/scan_event.ts";
import { formatEvent } from "../../src/log/event_line.ts";
import { decode, LinkType } from "../../src/packet/decode.ts";
import { Packet } from "../../src/packet/packet.ts";
import { icmp, ipv4, ipv6, tcp, udp } from "../frames.ts";

const TYPES: [flags: number, type: string][] = [
  [0x00, "TCP NULL scan"],
  [0x29, "TCP XMAS scan"],
  [0x2b, "TCP XMAS scan"], // with SYN
  [0xe9, "TCP XMAS scan"], // with ECE and CWR
  [0x01, "TCP FIN scan"],
  [0x02, "TCP SYN/Normal scan"],
  [0xc2, "TCP SYN/Normal scan"], // ECN setup (RFC 3168, section 6.1.1)
  [0x03, "Unknown Type: TCP Packet Flags: SYN: 1 FIN: 1 ACK: 0 PSH: 0 URG: 0 RST: 0"],
  [0x0a, "Unknown Type: TCP Packet Flags: SYN: 1 FIN: 0 ACK: 0 PSH: 1 URG: 0 RST: 0"],
  [0x20, "Unknown Type: TCP Packet Flags: SYN: 0 FIN: 0 ACK: 0 PSH: 0 URG: 1 RST: 0"],
  [0x40, "Unknown Type: TCP Packet Flags: SYN: 0 FIN: 0 ACK: 0 PSH: 0 URG: 0 RST: 0"],
  [0x10, "TCP ACK scan"],
  [0xd0, "TCP ACK scan"], // with ECE and CWR
  [0x11, "TCP Maimon scan"],
  [0x39, "TCP XMAS scan"], // with ACK
  [0x18, "Unknown Type: TCP Packet Flags: SYN: 0 FIN: 0 ACK: 1 PSH: 1 URG: 0 RST: 0"],
  [0x19, "Unknown Type: TCP Packet Flags: SYN: 0 FIN: 1 ACK: 1 PSH: 1 URG: 0 RST: 0"],
  [0x15, "Unknown Type: TCP Packet Flags: SYN: 0 FIN: 1 ACK: 1 PSH: 0 URG: 0 RST: 1"],
];

for (const [flags, type] of TYPES) {
  Deno.test(`tcpScanType() of flags 0x${flags.toString(16)}`, () => {
    assert.equal(tcpScanType(flags), type);
  });
}

function packet(ip: Uint8Array): Packet {
  const packet = new Packet();
  assert.ok(decode(ip, ip.length, LinkType.Raw, packet));
  return packet;
}

const LINES: [name: string, ip: Uint8Array, verdict: Verdict, line: string][] = [
  [
    "log only",
    ipv4(tcp({ port: 11 })),
    Verdict.LogOnly,
    "Scan from: [192.0.2.9] (192.0.2.9) protocol: [TCP] port: [11] type: [TCP SYN/Normal scan] " +
    "IP opts: [not set] ignored: [false] triggered: [true] noblock: [true] blocked: [false]",
  ],
  [
    "ignored",
    ipv4(tcp({ port: 11, flags: 0 }), { options: 4 }),
    Verdict.Ignored,
    "Scan from: [192.0.2.9] (192.0.2.9) protocol: [TCP] port: [11] type: [TCP NULL scan] " +
    "IP opts: [set] ignored: [true] triggered: [unset] noblock: [unset] blocked: [unset]",
  ],
  [
    "below the trigger",
    ipv6(udp({ port: 65535 }), { nextHeader: 17 }),
    Verdict.BelowTrigger,
    "Scan from: [2001:db8::9] (2001:db8::9) protocol: [UDP] port: [65535] type: [UDP] " +
    "IP opts: [unknown] ignored: [false] triggered: [false] noblock: [unset] blocked: [unset]",
  ],
  [
    "an echo request",
    ipv4(icmp(8), { protocol: 1 }),
    Verdict.BelowTrigger,
    "Scan from: [192.0.2.9] (192.0.2.9) protocol: [ICMP] port: [0] type: [ICMP echo request] " +
    "IP opts: [not set] ignored: [false] triggered: [false] noblock: [unset] blocked: [unset]",
  ],
  [
    "an echo request over IPv6",
    ipv6(icmp(128), { nextHeader: 58 }),
    Verdict.Ignored,
    "Scan from: [2001:db8::9] (2001:db8::9) protocol: [ICMP] port: [0] type: [ICMP echo request] " +
    "IP opts: [unknown] ignored: [true] triggered: [unset] noblock: [unset] blocked: [unset]",
  ],
  [
    "a timestamp request",
    ipv4(icmp(13), { protocol: 1, options: 8 }),
    Verdict.BelowTrigger,
    "Scan from: [192.0.2.9] (192.0.2.9) protocol: [ICMP] port: [0] type: [ICMP timestamp request] " +
    "IP opts: [set] ignored: [false] triggered: [false] noblock: [unset] blocked: [unset]",
  ],
  [
    "an address mask request",
    ipv4(icmp(17), { protocol: 1 }),
    Verdict.BelowTrigger,
    "Scan from: [192.0.2.9] (192.0.2.9) protocol: [ICMP] port: [0] " +
    "type: [ICMP address mask request] " +
    "IP opts: [not set] ignored: [false] triggered: [false] noblock: [unset] blocked: [unset]",
  ],
  [
    "same host",
    ipv4(tcp({ port: 1 })),
    Verdict.SameHost,
    "Scan from: [192.0.2.9] (192.0.2.9) protocol: [TCP] port: [1] type: [TCP SYN/Normal scan] " +
    "IP opts: [not set] ignored: [true] triggered: [true] noblock: [true] blocked: [false]",
  ],
];

for (const [name, ip, verdict, line] of LINES) {
  Deno.test(`formatEvent() of a probe that is ${name}`, () => {
    const event = scanEvent(packet(ip), verdict, "stealth");
    assert.equal(formatEvent(event, event.source, event.flags), line);
  });
}

Deno.test("scanEvent() keeps nothing of the reused packet", () => {
  const record = packet(ipv4(tcp({ port: 11 })));
  const event = scanEvent(record, Verdict.LogOnly, "stealth");
  const before = structuredClone(event);
  const other = ipv6(udp(), { nextHeader: 17 });
  decode(other, other.length, LinkType.Raw, record);
  assert.deepEqual(event, before);
});
