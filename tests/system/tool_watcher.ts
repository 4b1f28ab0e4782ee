/**
 * Which tools scan this host: `deno run -A tool_watcher.ts INTERFACE SCANNER` captures as the program does,
 * and for each line of its standard input writes one of JSON, the tool of each source since the last.
 * Meanwhile it sends a datagram to SCANNER now and then: masscan ends when it has received something.
 *
 * @module
 */
import { createSocket } from "node:dgram";
import { Capture } from "../../ffi/pcap.ts";
import { HEADER_SNAPSHOT_BYTES } from "../../src/limits.ts";
import { formatAddress } from "../../src/packet/address.ts";
import { decode } from "../../src/packet/decode.ts";
import { Packet, Protocol, TcpFlag } from "../../src/packet/packet.ts";
import { Fingerprints } from "../../src/scan/fingerprint.ts";

const SOURCES = 4096;
const DISCARD_PORT = 9;
const PULSE_MS = 100;
const RING_BYTES = 16 * 1024 * 1024;

/** What a source's packets say: of all but answers, and of the probes of DETECT="classic" alone. */
export type Tools = Record<string, { packets: number; all: string; probes: string }>;

const fingerprints = new Fingerprints(2 * SOURCES);
const packet = new Packet();
const frame = new Uint8Array(HEADER_SNAPSHOT_BYTES);

function drain(capture: Capture): Tools {
  const sources = new Map<string, { entry: number; packets: number }>();
  for (;;) {
    const length = capture.next(frame);
    if (length < 0) break;
    if (!decode(frame, length, capture.linkType, packet)) continue;
    const { version, protocol, tcpFlags } = packet;
    if ((tcpFlags & TcpFlag.Rst) !== 0) continue;
    const name = formatAddress(version, packet.source);
    let source = sources.get(name);
    if (!source) {
      source = { entry: 2 * (sources.size % SOURCES), packets: 0 };
      sources.set(name, source);
      fingerprints.reset(source.entry);
      fingerprints.reset(source.entry + 1);
    }
    source.packets++;
    fingerprints.note(source.entry, packet);
    if (protocol === Protocol.Udp || (tcpFlags & TcpFlag.Ack) === 0) {
      fingerprints.note(source.entry + 1, packet);
    }
  }
  if (capture.dropped() > 0) throw new Error(`${capture.dropped()} frames were lost`);
  return Object.fromEntries(
    [...sources].map(([name, { entry, packets }]) => [
      name,
      { packets, all: fingerprints.toolOf(entry), probes: fingerprints.toolOf(entry + 1) },
    ]),
  );
}

if (import.meta.main) {
  const capture = new Capture(Deno.args[0], {
    snapshotBytes: HEADER_SNAPSHOT_BYTES,
    bufferBytes: RING_BYTES,
  });
  const pulse = createSocket("udp4");
  const timer = setInterval(() => pulse.send("", DISCARD_PORT, Deno.args[1]), PULSE_MS);
  console.log("watching");
  for await (const _ of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    console.log(JSON.stringify(drain(capture)));
  }
  clearInterval(timer);
  pulse.close();
}
