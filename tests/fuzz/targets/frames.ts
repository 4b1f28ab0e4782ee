/**
 * Frames of every link type, down to the event's line.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Verdict } from "../../../src/detector/verdict.ts";
import { scanEvent } from "../../../src/event/scan_event.ts";
import { formatEvent } from "../../../src/log/event_line.ts";
import { addressBytes } from "../../../src/packet/address.ts";
import { decode, isKnownLinkType, LinkType } from "../../../src/packet/decode.ts";
import { Headers } from "../../../src/packet/headers.ts";
import {
  type IcmpType,
  Packet,
  Protocol,
  Reject,
  REJECT_NAMES,
} from "../../../src/packet/packet.ts";
import { Fingerprints } from "../../../src/scan/fingerprint.ts";
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
  tcp,
  udp,
} from "../../frames.ts";
import { bytesTarget, type Seed, type Target } from "../target.ts";

const UNKNOWN_LINK_TYPE = 4242;

/** What log parsers and fail2ban filters look for. */
const EVENT_LINE = new RegExp(
  "^Scan from: \\[([0-9a-f.:]+)\\] \\(\\1\\) protocol: \\[(?:TCP|UDP|ICMP)\\] port: \\[\\d{1,5}\\] " +
    "type: \\[(?:TCP (?:NULL|XMAS|FIN|SYN/Normal|ACK|Maimon) scan|UDP|" +
    "ICMP (?:echo|timestamp|address mask) request|" +
    "Unknown Type: TCP Packet Flags(?:: | )(?:[A-Z]{3}: [01] ?)+)\\] " +
    "IP opts: \\[(?:set|not set|unknown)\\] " +
    "ignored: \\[\\w+\\] triggered: \\[\\w+\\] noblock: \\[\\w+\\] blocked: \\[\\w+\\]$",
);

/** Segment size, SACK permitted, timestamps, no-operation, window scale. */
const LINUX_OPTIONS = [...Uint8Array.fromHex("020405b40402080a00000001000000000103030a")];

const DICTIONARY = ["0800", "86dd", "8100", "88a8", "9100", "06", "11", "2c00", "3a", "45", "6000"]
  .concat([
    "4500001400000000",
    "06ff0000",
    "0600000000000000",
    "5002",
    "5f00",
    "020405b4",
    "0303",
    "080a",
  ])
  .map((hex) => Uint8Array.fromHex(hex));

const packet = new Packet();
const headers = new Headers();
const fingerprints = new Fingerprints(1);

/** What the headers say beside the packet, and the name of a tool. */
function headersText(): string {
  assert.ok(headers.read(packet));
  const { ttl, ipId, dontFragment, sequence, acknowledgement, window, payloadLength } = headers;
  const { kinds, bits, maximumSegment, windowScale } = headers.options;
  assert.ok(payloadLength >= -1);
  assert.ok(kinds >= 0 && kinds <= 0x0fff_ffff && windowScale >= -1 && windowScale <= 255);
  assert.equal(packet.protocol === Protocol.Tcp || (sequence | window | kinds) === 0, true);
  fingerprints.reset(0);
  fingerprints.note(0, packet);
  const numbers = [ttl, ipId, dontFragment, sequence, acknowledgement, window, payloadLength];
  return [...numbers, kinds, bits, maximumSegment, windowScale, fingerprints.toolOf(0)].join(" ");
}

function decodes(linkType: number, input: Uint8Array<ArrayBuffer>, length: number): string {
  // What the last frame left in the record must not matter either.
  const junk = input[length];
  packet.source.fill(junk);
  packet.destination.fill(junk);
  packet.version =
    packet.sourcePort =
    packet.destinationPort =
    packet.tcpFlags =
    packet.ipStart =
    packet.transportStart =
      junk;
  packet.icmpType = junk as IcmpType;

  const taken = decode(input, length, linkType, packet);
  assert.equal(taken, packet.reject === Reject.None);
  if (!taken) {
    assert.ok(REJECT_NAMES[packet.reject]);
    assert.equal(packet.reject === Reject.UnknownLinkType, !isKnownLinkType(linkType));
    return REJECT_NAMES[packet.reject];
  }
  const { version, protocol, sourcePort, destinationPort, tcpFlags } = packet;
  assert.ok(version === 4 || version === 6);
  assert.ok(length >= (version === 4 ? 20 : 40) + (protocol === Protocol.Tcp ? 20 : 8));
  for (const port of [sourcePort, destinationPort]) assert.ok(port >= 0 && port <= 65_535);
  assert.ok(tcpFlags >= 0 && tcpFlags <= (protocol === Protocol.Tcp ? 255 : 0));
  const event = scanEvent(packet, Verdict.LogOnly, "stealth");
  const size = version === 4 ? 4 : 16;
  assert.deepEqual(addressBytes(event.source), packet.source.slice(0, size));
  assert.deepEqual(addressBytes(event.destination), packet.destination.slice(0, size));
  const line = formatEvent(event, event.source, event.flags);
  assert.match(line, EVENT_LINE);
  return `${line} to ${event.destination} from port ${sourcePort} flags ${tcpFlags}, ` +
    headersText();
}

/** Every shape that the builders know, on one link type, and the named frames of the packet tests. */
function seedsFor(linkType: number): Seed[] {
  const chain = bytes(extension(43), extension(51), authentication(44), fragmentHeader(6, 0, true));
  const shapes: [string, Uint8Array, number][] = [
    ["tcp4 with options", ipv4(tcp({ options: 40 }), { options: 40 }), 0x0800],
    ["tcp4 of Linux", ipv4(tcp({ options: LINUX_OPTIONS, window: 64_240 })), 0x0800],
    ["udp4", ipv4(udp(), { protocol: 17 }), 0x0800],
    ["tcp6", ipv6(tcp()), 0x86dd],
    ["icmp4", ipv4(icmp(), { protocol: 1 }), 0x0800],
    ["icmp6", ipv6(icmp(128), { nextHeader: 58 }), 0x86dd],
    ["udp6", ipv6(udp(), { nextHeader: 17 }), 0x86dd],
    ["tcp6 behind a chain", ipv6(bytes(extension(60), chain, tcp()), { nextHeader: 0 }), 0x86dd],
  ];
  const links = LINKS.filter((link) => link[1] === linkType);
  const built = (links.length > 0 ? links : LINKS.filter(([name]) => name === "raw IP"))
    .flatMap(([link, , build]) =>
      shapes.map(([name, ip, type]) => ({ name: `${name} on ${link}`, bytes: build(ip, type) }))
    );
  return [...corpus().filter((frame) => frame.linkType === linkType), ...built];
}

/** `frame-ethernet`, `frame-raw-bsd` and so on, and one of a link type nobody knows. */
export const FRAME_TARGETS: Target[] = [
  ...Object.entries<number>(LinkType),
  ["Unknown", UNKNOWN_LINK_TYPE] as const,
].map(([name, linkType]) =>
  bytesTarget(
    `frame${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    (input, length) => decodes(linkType, input, length),
    { dictionary: DICTIONARY, seeds: seedsFor(linkType) },
  )
);
