/**
 * What tcpdump(8) reads in frames.
 *
 * @module
 */
import type { RandomFrame } from "./random_frames.ts";

const PCAP_MAGIC = 0xa1b2_c3d4; // pcap-savefile(5)
const SNAPSHOT_BYTES = 262_144;

/** What tcpdump says of one frame: its line, and the segment or datagram in it, if it names one. */
export interface Reading {
  text: string;
  packet?: {
    protocol: "TCP" | "UDP" | "ICMP";
    source: string;
    sourcePort: number;
    destination: string;
    destinationPort: number;
    /** TCP control bits; 0 for the others. */
    flags: number;
    /** Of ICMP; ICMPv6 has the numbers of ICMP. */
    icmpType?: number;
  };
}

/** A capture file of frames of one link type, the n-th at n seconds. */
export function captureFile(linkType: number, frames: readonly RandomFrame[]): Uint8Array {
  const bytes = new Uint8Array(24 + frames.reduce((sum, { length }) => sum + 16 + length, 0));
  const view = new DataView(bytes.buffer);
  const header = [PCAP_MAGIC, 2 | 4 << 16, 0, 0, SNAPSHOT_BYTES, linkType];
  header.forEach((word, i) => view.setUint32(4 * i, word, true));
  let at = 24;
  frames.forEach((frame, index) => {
    [index, 0, frame.length, frame.bytes.length].forEach((word, i) =>
      view.setUint32(at + 4 * i, word, true)
    );
    bytes.set(frame.bytes.subarray(0, frame.length), at + 16);
    at += 16 + frame.length;
  });
  return bytes;
}

/** What tcpdump says of each frame. */
export async function readByTcpdump(
  linkType: number,
  frames: readonly RandomFrame[],
): Promise<Reading[]> {
  const path = await Deno.makeTempFile({ suffix: ".pcap" });
  try {
    await Deno.writeFile(path, captureFile(linkType, frames));
    // As root it becomes another user before it opens the file.
    await Deno.chmod(path, 0o644);
    const { code, stdout, stderr } = await new Deno.Command("tcpdump", {
      args: ["-r", path, "-n", "-tt", "-v"],
      env: { LC_ALL: "C" },
    }).output();
    if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
    return readings(new TextDecoder().decode(stdout), frames.length);
  } finally {
    await Deno.remove(path);
  }
}

/** A packet's text starts with its time; what belongs to it is indented. */
function readings(output: string, count: number): Reading[] {
  const texts: string[] = Array(count).fill("");
  let index = -1;
  for (const line of output.split("\n")) {
    const [, seconds, rest] = /^(\d+)\.000000 (.*)$/.exec(line) ?? [];
    if (seconds !== undefined) index = Number(seconds);
    if (index >= 0) texts[index] += ` ${(rest ?? line).trim()}`;
  }
  return texts.map(reading);
}

const FLAG_LETTERS = "FSRP.UEW"; // FIN is bit 0

/** `192.0.2.9.40000 > 192.0.2.1.23: …`, the first such pair: an ICMP error quotes another one. */
const PORTS = /(?:^|\s)([0-9a-f.:]+)\.(\d+) > ([0-9a-f.:]+)\.(\d+):(.*)/;
/** Of IP, behind an interface and a direction in cooked frames; IPX has such pairs as well. */
const IP_LINE = /^ (?:\S+ +\S+ +)?IP6? /;
/** The same behind IPv6 extension headers: `2001:db8::9 > 2001:db8::1: HBH (pad1) 40000 > 23: …`. */
const PORTS_BEHIND = /\s([0-9a-f:]+) > ([0-9a-f:]+): .*?\s(\d+) > (\d+):(.*)/;
/** `192.0.2.9 > 192.0.2.1: ICMP echo request, …`, behind extension headers as well. */
const PING =
  /(?:^|\s)([0-9a-f.:]+) > ([0-9a-f.:]+): (?:\S.*?[)\s] *)?ICMP6?,? (echo request|time stamp query|address mask request)/;
const PING_TYPES: Record<string, number> = {
  "echo request": 8,
  "time stamp query": 13,
  "address mask request": 17,
};

function reading(text: string): Reading {
  if (!IP_LINE.test(text)) return { text };
  const [, from, to, request] = PING.exec(text) ?? [];
  if (request !== undefined && isWhole(from) && isWhole(to)) {
    const icmp = { protocol: "ICMP", sourcePort: 0, destinationPort: 0, flags: 0 } as const;
    const packet = { ...icmp, source: from, destination: to, icmpType: PING_TYPES[request] };
    return { text, packet };
  }
  const [, source, sourcePort, destination, destinationPort, rest] = PORTS.exec(text) ??
    inOrder(PORTS_BEHIND.exec(text));
  if (rest === undefined || !isWhole(source) || !isWhole(destination)) return { text };
  const [, letters] = /^ +Flags \[([^\]]+)\]/.exec(rest) ?? [];
  const flags = letters === undefined || letters === "none"
    ? 0
    : [...letters].reduce((sum, letter) => sum | 1 << FLAG_LETTERS.indexOf(letter), 0);
  return {
    text,
    packet: {
      protocol: letters === undefined ? "UDP" : "TCP",
      source,
      sourcePort: Number(sourcePort),
      destination,
      destinationPort: Number(destinationPort),
      flags,
    },
  };
}

function inOrder(found: RegExpExecArray | null): string[] {
  if (!found) return [];
  const [all, source, destination, sourcePort, destinationPort, rest] = found;
  return [all, source, sourcePort, destination, destinationPort, rest];
}

/** An address of its own, with nothing cut off for a port: `192.0.2` is none. */
function isWhole(address: string): boolean {
  return address.includes(":") || address.split(".").length === 4;
}
