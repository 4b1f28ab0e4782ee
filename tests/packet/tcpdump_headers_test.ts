/**
 * What Headers reads against what tcpdump prints: of frames with random fields, and TCP options that
 * are right, wrong in one byte, or noise.
 */
import assert from "node:assert/strict";
import { decode, LinkType } from "../../src/packet/decode.ts";
import { Headers } from "../../src/packet/headers.ts";
import { Packet } from "../../src/packet/packet.ts";
import { bytes, ipv4, ipv6, tcp, udp } from "../frames.ts";
import { Random } from "../fuzz/random.ts";
import type { RandomFrame } from "./random_frames.ts";
import { readByTcpdump } from "./tcpdump.ts";

const FRAMES = 3000;
const SEED = 20_260_101;

/** Kinds as tcpdump writes them, and their digits in TcpOptions.kinds. */
const DIGITS: [pattern: RegExp, digit: string][] = [
  [/^nop$/, "1"],
  [/^mss \d+$/, "2"],
  [/^wscale \d+$/, "3"],
  [/^sackOK$/, "4"],
  [/^sack /, "5"],
  [/^TS val /, "8"],
  [/^eol$/, "e"],
];

function uint32(random: Random): number {
  return (random.next() & 0xffff_ffff) >>> 0;
}

function randomOptions(random: Random): number[] {
  const byte = () => random.next() & 0xff;
  const kinds: (() => number[])[] = [
    () => [1],
    () => [2, 4, byte(), byte()],
    () => [3, 3, random.below(15)],
    () => [4, 2],
    () => [5, 10, ...Array.from({ length: 8 }, byte)],
    () => [8, 10, ...Array.from({ length: 8 }, byte)],
    () => [30, 4, byte(), byte()],
  ];
  const options: number[] = [];
  for (let i = random.below(6); i > 0; i--) options.push(...random.pick(kinds)());
  if (random.oneIn(4)) options.push(0);
  while (options.length % 4 !== 0) options.push(random.oneIn(3) ? 0 : 1);
  if (random.oneIn(3) && options.length > 0) options[random.below(options.length)] = byte();
  return options.slice(0, 40);
}

function randomFrame(random: Random): RandomFrame {
  const payload = new Uint8Array(random.below(40));
  const segment = random.oneIn(4)
    ? bytes(udp({ port: 9, length: 8 + payload.length }), payload)
    : bytes(
      tcp({
        // SYN, or else tcpdump may leave the sequence number out.
        flags: 0x02 | random.next() & 0xf8,
        sequence: uint32(random),
        acknowledgement: uint32(random),
        window: random.next() & 0xffff,
        options: randomOptions(random),
        port: 1 + random.below(60_000),
      }),
      payload,
    );
  const protocol = segment.length === 8 + payload.length ? 17 : 6;
  const frame = random.oneIn(3)
    ? ipv6(segment, { nextHeader: protocol, hopLimit: random.next() & 0xff })
    : ipv4(segment, {
      protocol,
      ttl: random.next() & 0xff,
      id: random.next() & 0xffff,
      fragment: random.oneIn(2) ? 0x4000 : 0,
    });
  return { linkType: LinkType.Raw, bytes: frame, length: frame.length };
}

/** The number behind a word, if tcpdump wrote it. */
function number(text: string, pattern: RegExp): number | undefined {
  const [, digits] = pattern.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** The kinds that tcpdump lists; undefined when it found a fault in them. */
function kindsOf(text: string): string | undefined {
  const [, list] = / win \d+,(?: urg \d+,)? options \[(.*)\], length \d+/.exec(text) ?? [];
  if (list === undefined || /bad opt|tcp-|\[/.test(list)) return undefined;
  const digits = list.split(",").map((option) =>
    DIGITS.find(([pattern]) => pattern.test(option))?.[1] ?? "f"
  );
  const end = digits.indexOf("e");
  return digits.slice(0, end < 0 ? 7 : Math.min(7, end + 1)).join("");
}

Deno.test(`Headers.read() reads ${FRAMES} frames like tcpdump`, async () => {
  const random = new Random(SEED, "headers");
  const frames = Array.from({ length: FRAMES }, () => randomFrame(random));
  const readings = await readByTcpdump(LinkType.Raw, frames);
  const packet = new Packet();
  const headers = new Headers();
  const compared: Record<string, number> = {};
  const compare = (name: string, ours: unknown, theirs: unknown, text: string) => {
    if (theirs === undefined) return;
    compared[name] = (compared[name] ?? 0) + 1;
    assert.equal(ours, theirs, `${name}:${text}`);
  };
  frames.forEach((frame, i) => {
    assert.ok(decode(frame.bytes, frame.length, frame.linkType, packet));
    assert.ok(headers.read(packet));
    const { text } = readings[i];
    const { options } = headers;
    compare("ttl", headers.ttl, number(text, /^ IP \(tos \S+, ttl (\d+)/), text);
    compare("hop limit", headers.ttl, number(text, /^ IP6 \([^(]*?hlim (\d+)/), text);
    compare("id", headers.ipId, number(text, /^ IP \(tos \S+ .*? id (\d+)/), text);
    const [, flags] = /^ IP \(tos .*?, flags \[(\w+)\]/.exec(text) ?? [];
    compare("DF", headers.dontFragment, flags && flags === "DF", text);
    compare("sequence", headers.sequence >>> 0, number(text, /, seq (\d+)/), text);
    compare("acknowledgement", headers.acknowledgement >>> 0, number(text, /, ack (\d+)/), text);
    compare("window", headers.window, number(text, /, win (\d+)/), text);
    compare("TCP payload", headers.payloadLength, number(text, / win .* length (\d+)/), text);
    compare("UDP payload", headers.payloadLength, number(text, / UDP, length (\d+)/), text);
    const kinds = kindsOf(text);
    compare("options", options.kinds.toString(16), kinds, text);
    if (kinds === undefined) return;
    const sizes = [...text.matchAll(/[[,]mss (\d+)/g)].map(([, size]) => Number(size));
    compare("segment size", options.maximumSegment, sizes.at(-1) ?? 0, text);
    const scales = [...text.matchAll(/[[,]wscale (\d+)/g)].map(([, scale]) => Number(scale));
    compare("window scale", options.windowScale, scales.at(-1) ?? -1, text);
  });
  for (const [name, count] of Object.entries(compared)) {
    assert.ok(count > FRAMES / 8, `only ${count} times: ${name}`);
  }
  assert.equal(Object.keys(compared).length, 12);
});
