/**
 * The steps of the hot path, alone: `deno bench`.
 *
 * @module
 */
import { defaultConfig } from "../src/config/config.ts";
import { parseIgnoreFile } from "../src/config/ignore_file.ts";
import { PortSet } from "../src/config/ports.ts";
import { Detector } from "../src/detector/detector.ts";
import { SourceTable } from "../src/detector/source_table.ts";
import { Verdict } from "../src/detector/verdict.ts";
import { scanEvent } from "../src/event/scan_event.ts";
import { JsonLines } from "../src/log/event_json.ts";
import { EventLog } from "../src/log/event_log.ts";
import { LineOutput } from "../src/log/line_output.ts";
import { Lately } from "../src/metrics/lately.ts";
import { decode, LinkType } from "../src/packet/decode.ts";
import { Packet } from "../src/packet/packet.ts";
import { Fingerprints } from "../src/scan/fingerprint.ts";
import { SCAN_ENTRIES } from "../src/limits.ts";
import { ScanTracker } from "../src/scan/scan_tracker.ts";
import { bytes, ethernet, extension, ipv4, ipv6, tcp } from "../tests/frames.ts";

const ports = new PortSet([{ first: 1, last: 1024 }]);
const parsed = parseIgnoreFile(
  Array.from({ length: 1000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`).join("\n"),
  "i",
);
if (!("ignore" in parsed)) throw new Error("the ignore file is good");
const parsedPorts = parseIgnoreFile(
  Array.from({ length: 10_000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24 tcp/${1 + i % 1000}-1024`)
    .join("\n"),
  "i",
);
if (!("ignore" in parsedPorts)) throw new Error("the ignore file is good");
const config = { ...defaultConfig("c"), tcpPorts: ports, udpPorts: ports };
const counting = new Detector(
  { ...config, scanTrigger: 2 },
  parsed.ignore,
  new SourceTable(65_536),
  { disableLocalCheck: false },
);
const lately = new Detector(
  { ...config, scanTriggerPorts: 3, scanTriggerWindowS: 600 },
  parsed.ignore,
  new SourceTable(65_536),
  { disableLocalCheck: false },
);
const plain = new Detector(config, parsed.ignore, new SourceTable(8), { disableLocalCheck: false });
const byPorts = new Detector(config, parsedPorts.ignore, new SourceTable(8), {
  disableLocalCheck: false,
});

const packet = new Packet();
const frame4 = ethernet(ipv4(tcp()));
const frame6 = ethernet(
  ipv6(bytes(extension(60), extension(6), tcp()), { nextHeader: 0 }),
  0x86dd,
);
decode(frame4, frame4.length, LinkType.Ethernet, packet);
let source = 0;

Deno.bench("decode IPv4 TCP", () => {
  decode(frame4, frame4.length, LinkType.Ethernet, packet);
});
Deno.bench("decode IPv6 TCP behind two extension headers", () => {
  decode(frame6, frame6.length, LinkType.Ethernet, packet);
});
const fingerprints = new Fingerprints(65_536);
const linuxOptions = [...Uint8Array.fromHex("020405b40402080a00000001000000000103030a")];
const connects = ethernet(ipv4(tcp({ options: linuxOptions, window: 64_240 })));
for (const [name, frame] of [["a tool's SYN", frame4], ["a system's SYN", connects]] as const) {
  Deno.bench(`note ${name} for its fingerprint`, () => {
    decode(frame, frame.length, LinkType.Ethernet, packet);
    fingerprints.note(source = source + 1 & 0xffff, packet);
  });
}
Deno.bench("name the tool of a fingerprint", () => {
  fingerprints.toolOf(source = source + 1 & 0xffff);
});
Deno.bench("judge, ignore list of 1,000 networks", () => {
  decode(frame4, frame4.length, LinkType.Ethernet, packet);
  if (plain.isProbe(packet)) plain.judge(packet);
});
Deno.bench("judge, ignore list of 10,000 networks at some ports", () => {
  decode(frame4, frame4.length, LinkType.Ethernet, packet);
  if (byPorts.isProbe(packet)) byPorts.judge(packet);
});
Deno.bench("judge, and count a new source each", () => {
  decode(frame4, frame4.length, LinkType.Ethernet, packet);
  source++;
  packet.source[1] = source >> 16;
  packet.source[2] = source >> 8;
  packet.source[3] = source;
  if (counting.isProbe(packet)) counting.judge(packet);
});
Deno.bench("judge, and count the ports of a new source each within a window", () => {
  decode(frame4, frame4.length, LinkType.Ethernet, packet);
  source++;
  packet.source[1] = source >> 16;
  packet.source[2] = source >> 8;
  packet.source[3] = source;
  packet.readMs = source * 0.01;
  if (lately.isProbe(packet)) lately.judge(packet);
});

/** Alone, in one run: what a probe costs in the table of sources, and in that of scans. */
const table = new SourceTable(65_536);
const tracker = () =>
  new ScanTracker({
    entries: SCAN_ENTRIES,
    windowMs: 600_000,
    tools: new Fingerprints(SCAN_ENTRIES),
    isBlocked: () => false,
    onEnded: () => {},
  });
const setSource = () => {
  source++;
  packet.source[0] = source >> 24;
  packet.source[1] = source >> 16;
  packet.source[2] = source >> 8;
  packet.source[3] = source;
  packet.readMs = source * 0.01;
};
const scanned = tracker();
const flooded = tracker();
Deno.bench("count in SourceTable, one source", { group: "scans", baseline: true }, () => {
  table.count(4, packet.source);
});
Deno.bench("take into ScanTracker, one source at all ports", { group: "scans" }, () => {
  packet.destinationPort = (packet.destinationPort + 1) & 0xffff;
  scanned.take(packet);
});
Deno.bench("count in SourceTable, a new source each", { group: "flood", baseline: true }, () => {
  setSource();
  table.count(4, packet.source);
});
Deno.bench("take into ScanTracker, a new source each", { group: "flood" }, () => {
  setSource();
  packet.destinationPort = source & 0x3ff;
  flooded.take(packet);
});

const latelyTally = new Lately();
const events = Array.from({ length: 100_000 }, (_, i) => {
  packet.source.set([10, i >> 16, i >> 8, i]);
  return scanEvent(packet, Verdict.LogOnly, "stealth");
});
/** A string that was made just now, as that of each event is: its hash is not known yet. */
const fresh = (i: number) => {
  const event = events[i % events.length];
  return { ...event, source: event.source.slice(0, -1) + event.source.slice(-1) };
};
for (const [name, sources] of [["one source", 1], ["100,000 sources", 100_000]] as const) {
  Deno.bench(`make 1,000 events of ${name} (to compare with the next)`, () => {
    for (let i = 0; i < 1000; i++) fresh(source++ % sources);
  });
  Deno.bench(`make 1,000 events of ${name}, and count them among those of late`, () => {
    const nowMs = Date.now();
    for (let i = 0; i < 1000; i++) latelyTally.probe(fresh(source++ % sources), nowMs);
  });
}

const nowhere = { write: (bytes: Uint8Array) => Promise.resolve(bytes.length) };
const json = new JsonLines("0.0.0");
for (const format of ["classic", "json"] as const) {
  const log = new EventLog([new LineOutput("nowhere", nowhere)], format, json);
  Deno.bench(`make 1,000 events' ${format} lines and put them into the batch`, async () => {
    for (let i = 0; i < 1000; i++) {
      const event = scanEvent(packet, Verdict.LogOnly, "stealth");
      log.tell(event, event.source, event.flags);
    }
    await Promise.resolve();
  });
}
