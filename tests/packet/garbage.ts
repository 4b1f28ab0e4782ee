/**
 * Decodes, judges, fingerprints and sums up as many million frames as the first argument says, and
 * reads as many from capture files; the second, `garbage`, makes it allocate one small object a frame,
 * to show that this would be seen.
 *
 * @module
 */
import { defaultConfig } from "../../src/config/config.ts";
import { parseIgnoreFile } from "../../src/config/ignore_file.ts";
import { PortSet } from "../../src/config/ports.ts";
import { Detector } from "../../src/detector/detector.ts";
import { SourceTable } from "../../src/detector/source_table.ts";
import { decode, decodeBetween } from "../../src/packet/decode.ts";
import { Packet, Protocol } from "../../src/packet/packet.ts";
import { Fingerprints } from "../../src/scan/fingerprint.ts";
import { ScanTracker } from "../../src/scan/scan_tracker.ts";
import { Pings } from "../../src/sentry/pings.ts";
import { Savefile } from "../../src/sentry/savefile.ts";
import { bytes, corpus, icmp, ipv4, ipv6, LINKS, tcp } from "../frames.ts";
import { Blocks, pcap } from "../savefiles.ts";

const PACKETS = 1_000_000;

const frames = [
  ...corpus(),
  ...LINKS.flatMap(([name, linkType, build]) => [
    { name, linkType, bytes: build(ipv4(tcp()), 0x0800) },
    { name, linkType, bytes: build(ipv6(tcp()), 0x86dd) },
    { name, linkType, bytes: build(ipv4(icmp(), { protocol: 1 }), 0x0800) },
    { name, linkType, bytes: build(ipv6(icmp(128), { nextHeader: 58 }), 0x86dd) },
  ]),
];
const parsed = parseIgnoreFile(
  "10.0.0.0/8\n2001:db8:1::/48\n192.0.2.200\n11.0.0.0/8 tcp/1-900 udp/9\n* tcp/7\n",
  "i",
);
if (!("ignore" in parsed)) throw new Error("the ignore file is good");
const ports = new PortSet([{ first: 1, last: 1024 }]);
const detectorConfig = {
  ...defaultConfig("c"),
  tcpPorts: ports,
  udpPorts: ports,
  detect: "extended" as const,
  scanTrigger: 3,
};
const detector = new Detector(
  detectorConfig,
  parsed.ignore,
  new SourceTable(65_536),
  { disableLocalCheck: false },
);
const lately = new Detector(
  { ...detectorConfig, scanTrigger: 0, scanTriggerPorts: 8, scanTriggerWindowS: 60 },
  parsed.ignore,
  new SourceTable(65_536),
  { disableLocalCheck: false },
);
const scans = new ScanTracker({
  entries: 4096,
  windowMs: 600_000,
  tools: new Fingerprints(4096),
  isBlocked: () => false,
  onEnded: () => {
    throw new Error("none of them ends");
  },
});
const pings = new Pings();
const packet = new Packet();
const fingerprints = new Fingerprints(64);
let unknown = 0;
const verdicts = new Uint32Array(8);

function work(packets: number): void {
  for (let i = 0; i < packets; i++) {
    const frame = frames[i % frames.length];
    // Spoofed sources, and lengths that cut frames anywhere.
    const length = (i & 7) === 0 ? i % frame.bytes.length : frame.bytes.length;
    if (!decode(frame.bytes, length, frame.linkType, packet)) continue;
    packet.source[0] = i >> 16;
    packet.source[1] = i >> 8;
    packet.source[2] = i;
    packet.timeMs = 1_790_000_000_000 + i;
    fingerprints.note(i & 63, packet);
    if (fingerprints.toolOf(i & 63) === "unknown") unknown++;
    if ((i & 1023) === 0) fingerprints.reset(i >> 10 & 63);
    if (!detector.isProbe(packet)) {
      if (!detector.isProbeUnlessAsked(packet)) continue;
      if (packet.protocol === Protocol.Icmp && !pings.isNews(packet)) continue;
    }
    verdicts[detector.judge(packet)]++;
    // A thousand sources come again, to other ports and after parts of milliseconds.
    packet.source[1] = 0;
    packet.source[0] = i >> 10;
    packet.source[2] = i & 3;
    packet.destinationPort = i % 1021;
    packet.readMs = i * 0.37;
    verdicts[lately.judge(packet)]++;
    // A hundred sources scan all ports.
    packet.source[0] = packet.source[1] = 0;
    packet.source[2] = i & 63;
    scans.take(packet);
  }
}

/** The same frames in capture files of both formats, which are read again and again. */
const blocks = new Blocks();
const captures = [
  pcap(frames.map(({ bytes }) => ({ bytes, seconds: 1_790_000_000 }))),
  bytes(
    blocks.section(),
    ...frames.map(({ linkType }) => blocks.interface(linkType)),
    ...frames.map(({ bytes }, origin) =>
      blocks.enhanced(bytes, { origin, ticks: 1_790_000_000_000_000n })
    ),
  ),
].map((content) => {
  const file = new Savefile();
  file.window.room().set(content);
  file.window.filled(content.length);
  // Up to the first frame, so that what is read again are records and blocks of packets.
  file.next();
  return { file, start: file.window.start };
});
let read = 0;

function readCaptures(packets: number): void {
  for (let i = 0; i < packets;) {
    for (const { file, start } of captures) {
      file.window.start = start;
      for (; file.next(); i++) {
        const { start, end, linkType, timeMs } = file.frame;
        if (decodeBetween(file.window.bytes, start, end, linkType, packet)) read++;
        packet.timeMs = timeMs;
      }
    }
  }
}

const kept: { port: number }[] = [];
for (let million = 0; million < Number(Deno.args[0]); million++) {
  work(PACKETS);
  readCaptures(PACKETS);
  if (Deno.args[1] !== "garbage") continue;
  for (let i = 0; i < PACKETS; i++) kept[i & 7] = { port: i };
}
console.log(verdicts.join(" "), unknown, read);
