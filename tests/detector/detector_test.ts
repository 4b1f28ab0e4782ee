import assert from "node:assert/strict";
import { defaultConfig, type Detect } from "../../src/config/config.ts";
import { parseIgnoreFile } from "../../src/config/ignore_file.ts";
import { IgnoreList } from "../../src/config/ignore_list.ts";
import { PortSet } from "../../src/config/ports.ts";
import { Detector } from "../../src/detector/detector.ts";
import { SourceTable } from "../../src/detector/source_table.ts";
import { Verdict } from "../../src/detector/verdict.ts";
import { decode, LinkType } from "../../src/packet/decode.ts";
import { Packet, Protocol } from "../../src/packet/packet.ts";
import { icmp, ipv4, ipv6, SYN, TARGET4, TARGET6, tcp, udp } from "../frames.ts";

interface Setup {
  detect?: Detect;
  scanTrigger?: number;
  scanTriggerPorts?: number;
  scanTriggerWindowS?: number;
  blockTcp?: 0 | 1 | 2;
  ignore?: string;
  disableLocalCheck?: boolean;
}

function detector({ ignore = "", disableLocalCheck = false, ...keys }: Setup = {}): Detector {
  const config = {
    ...defaultConfig("c"),
    tcpPorts: new PortSet([{ first: 20, last: 25 }]),
    udpPorts: new PortSet([{ first: 161, last: 161 }]),
    ...keys,
  };
  const parsed = parseIgnoreFile(ignore, "i");
  assert.ok("ignore" in parsed);
  return new Detector(config, parsed.ignore, new SourceTable(64), { disableLocalCheck });
}

function packet(ip: Uint8Array): Packet {
  const packet = new Packet();
  assert.ok(decode(ip, ip.length, LinkType.Raw, packet));
  return packet;
}

/** As the pipeline does it: only probes are judged. */
function judge(detector: Detector, packet: Packet): { isProbe: boolean; verdict?: Verdict } {
  const isProbe = detector.isProbe(packet);
  return isProbe ? { isProbe, verdict: detector.judge(packet) } : { isProbe };
}

const scan = (port: number, flags = SYN) => packet(ipv4(tcp({ port, flags })));
const local4 = packet(ipv4(tcp(), { source: TARGET4 }));
const local6 = packet(ipv6(tcp(), { source: TARGET6 }));

const CASES: [name: string, setup: Setup, packet: Packet, verdict: Verdict | undefined][] = [
  ["a SYN to a watched port", {}, scan(23), Verdict.LogOnly],
  ["a NULL segment", {}, scan(23, 0), Verdict.LogOnly],
  ["the first and last port of a range", {}, scan(25), Verdict.LogOnly],
  ["a port beside the range", {}, scan(26), undefined],
  ["UDP to a watched port", {}, packet(ipv4(udp(), { protocol: 17 })), Verdict.LogOnly],
  [
    "UDP to a port watched for TCP",
    {},
    packet(ipv4(udp({ port: 23 }), { protocol: 17 })),
    undefined,
  ],
  ["TCP to a port watched for UDP", {}, scan(161), undefined],
  // SYN+ACK? Probably an answer to us; counting it would block the servers we talk to.
  ["a segment with SYN and ACK", {}, scan(23, 0x12), undefined],
  ["a segment with RST", {}, scan(23, 0x04), undefined],
  ["a segment with FIN and ACK", {}, scan(23, 0x11), undefined],
  ["an ignored source", { ignore: "192.0.2.0/24" }, scan(23), Verdict.Ignored],
  [
    "an ignored source below the trigger",
    { ignore: "192.0.2.9", scanTrigger: 5 },
    scan(23),
    Verdict.Ignored,
  ],
  ["a source that is ignored at this port", { ignore: "* tcp/20-23" }, scan(23), Verdict.Ignored],
  ["a source that is ignored at other ports", { ignore: "* tcp/22" }, scan(23), Verdict.LogOnly],
  ["a source that is ignored over UDP", { ignore: "* udp/23" }, scan(23), Verdict.LogOnly],
  ["a first event of SCAN_TRIGGER 1", { scanTrigger: 1 }, scan(23), Verdict.LogOnly],
  ["a first event of SCAN_TRIGGER 2", { scanTrigger: 2 }, scan(23), Verdict.BelowTrigger],
  ["a source that is the destination", {}, local4, Verdict.SameHost],
  ["an IPv6 source that is the destination", {}, local6, Verdict.SameHost],
  ["a local source below the trigger", { scanTrigger: 2 }, local4, Verdict.BelowTrigger],
  ["a local source that is ignored", { ignore: "192.0.2.1" }, local4, Verdict.Ignored],
  ["a local source with -L", { disableLocalCheck: true }, local4, Verdict.LogOnly],
  ["TCP with BLOCK_TCP 1", { blockTcp: 1 }, scan(23), Verdict.Respond],
  ["TCP with BLOCK_TCP 2", { blockTcp: 2 }, scan(23), Verdict.Respond],
  ["UDP with BLOCK_TCP 1", { blockTcp: 1 }, packet(ipv4(udp(), { protocol: 17 })), Verdict.LogOnly],
];

for (const [name, setup, packet, verdict] of CASES) {
  Deno.test(`Detector.judge() on ${name}`, () => {
    const { isProbe, verdict: judged } = judge(detector(setup), packet);
    assert.equal(isProbe ? judged : undefined, verdict);
  });
}

Deno.test("Detector.judge() triggers at the n-th event of a source, and from then on", () => {
  const judge = detector({ scanTrigger: 3 });
  const other = packet(ipv4(tcp(), { source: [192, 0, 2, 10] }));
  assert.equal(judge.judge(scan(20)), Verdict.BelowTrigger);
  assert.equal(judge.judge(other), Verdict.BelowTrigger);
  assert.equal(judge.judge(scan(21)), Verdict.BelowTrigger);
  assert.equal(judge.judge(scan(22)), Verdict.LogOnly);
  assert.equal(judge.judge(scan(23)), Verdict.LogOnly);
  assert.equal(judge.judge(other), Verdict.BelowTrigger);
});

/** The verdicts on probes that come at their times, from one source. */
function verdicts(setup: Setup, probes: [second: number, port: number][]): Verdict[] {
  const judge = detector(setup);
  return probes.map(([second, port]) =>
    judge.judge(Object.assign(scan(port), { readMs: second * 1000 }))
  );
}

const { BelowTrigger, LogOnly } = Verdict;

Deno.test("Detector.judge() triggers at the n-th different port with SCAN_TRIGGER_PORTS", () => {
  assert.deepEqual(
    verdicts({ scanTriggerPorts: 3 }, [[0, 20], [1, 20], [2, 21], [3, 20], [4, 22], [5, 20]]),
    [BelowTrigger, BelowTrigger, BelowTrigger, BelowTrigger, LogOnly, LogOnly],
  );
});

Deno.test("Detector.judge() takes a number over TCP and over UDP for two ports", () => {
  const judge = detector({ scanTriggerPorts: 2 });
  const over = (protocol: Protocol) => Object.assign(scan(161), { protocol });
  assert.equal(judge.judge(over(Protocol.Tcp)), BelowTrigger);
  assert.equal(judge.judge(over(Protocol.Tcp)), BelowTrigger);
  assert.equal(judge.judge(over(Protocol.Udp)), LogOnly);
});

Deno.test("Detector.judge() acts on the first port with SCAN_TRIGGER_PORTS 1", () => {
  assert.deepEqual(verdicts({ scanTriggerPorts: 1 }, [[0, 20]]), [LogOnly]);
});

Deno.test("Detector.judge() counts nothing that is older than SCAN_TRIGGER_WINDOW", () => {
  const window = { scanTriggerWindowS: 10 };
  const slow: [number, number][] = [[0, 20], [11, 21], [22, 22], [33, 23]];
  assert.deepEqual(verdicts({ scanTrigger: 2, ...window }, slow), Array(4).fill(BelowTrigger));
  assert.deepEqual(verdicts({ scanTriggerPorts: 2, ...window }, slow), Array(4).fill(BelowTrigger));
  const quick: [number, number][] = [[0, 20], [11, 21], [21, 22]];
  assert.deepEqual(
    verdicts({ scanTrigger: 2, ...window }, quick),
    [BelowTrigger, BelowTrigger, LogOnly],
  );
});

Deno.test("Detector.judge() acts on a source that has triggered until it is quiet for a window", () => {
  assert.deepEqual(
    verdicts({ scanTrigger: 2, scanTriggerWindowS: 10 }, [
      [0, 20],
      [1, 20],
      [11, 20],
      [21, 20],
      [32, 20],
      [33, 20],
    ]),
    [BelowTrigger, LogOnly, LogOnly, LogOnly, BelowTrigger, LogOnly],
  );
});

Deno.test("Detector.judge() does not mind a clock that is set back", () => {
  const judge = detector({ scanTrigger: 2, scanTriggerWindowS: 10 });
  const at = (readMs: number, timeMs: number) => Object.assign(scan(20), { readMs, timeMs });
  assert.equal(judge.judge(at(1000, 1_790_000_000_000)), BelowTrigger);
  assert.equal(judge.judge(at(2000, 0)), LogOnly);
});

Deno.test("Detector goes on with what another one has counted in the same way", () => {
  const sources = new SourceTable(64);
  const config = { ...defaultConfig("c"), scanTriggerPorts: 2 };
  const next = (scanTriggerPorts: number) =>
    new Detector({ ...config, scanTriggerPorts }, new IgnoreList([]), sources, {
      disableLocalCheck: false,
    });
  assert.equal(next(2).judge(scan(20)), BelowTrigger);
  assert.equal(next(2).judge(scan(21)), LogOnly);
  assert.equal(next(3).judge(scan(22)), BelowTrigger);
});

const pinged = packet(ipv4(icmp(), { protocol: 1 }));

const UNLESS_ASKED: [name: string, packet: Packet, probe: boolean][] = [
  ["ACK", scan(23, 0x10), true],
  ["FIN+ACK", scan(23, 0x11), true],
  ["PSH+ACK with ECE and CWR", scan(23, 0xd8), true],
  ["ACK to a port that is not watched", scan(26, 0x10), false],
  ["SYN+ACK", scan(23, 0x12), false],
  ["RST", scan(23, 0x04), false],
  ["RST+ACK", scan(23, 0x14), false],
  ["a SYN, which is one whoever asked", scan(23), false],
  ["UDP to a watched port, likewise", packet(ipv4(udp(), { protocol: 17 })), false],
  ["an echo request", pinged, true],
  ["an echo request over IPv6", packet(ipv6(icmp(128), { nextHeader: 58 })), true],
];

for (const [name, packet, probe] of UNLESS_ASKED) {
  Deno.test(`Detector.isProbeUnlessAsked() of ${name}`, () => {
    assert.equal(detector({ detect: "extended" }).isProbeUnlessAsked(packet), probe);
    assert.equal(detector({ detect: "classic" }).isProbeUnlessAsked(packet), false);
    if (probe) assert.equal(detector({ detect: "extended" }).isProbe(packet), false);
  });
}

Deno.test("Detector.judge() lets pings lead to nothing, and counts them for nothing", () => {
  const judge = detector({ detect: "extended", scanTrigger: 2, blockTcp: 1 });
  for (let i = 0; i < 5; i++) assert.equal(judge.judge(pinged), Verdict.BelowTrigger);
  assert.equal(judge.judge(scan(23)), Verdict.BelowTrigger);
  assert.equal(judge.judge(scan(23)), Verdict.Respond);
  assert.equal(detector({ detect: "extended" }).judge(pinged), Verdict.BelowTrigger);
  const ignoring = detector({ detect: "extended", ignore: "192.0.2.9 icmp" });
  assert.equal(ignoring.judge(pinged), Verdict.Ignored);
  assert.equal(ignoring.judge(scan(23)), Verdict.LogOnly);
});
