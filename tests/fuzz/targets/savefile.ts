/**
 * Capture files, whole and in small pieces.
 *
 * @module
 */
import assert from "node:assert/strict";
import { MOST_TIME_MS } from "../../../src/limits.ts";
import { decodeBetween, LinkType } from "../../../src/packet/decode.ts";
import { Packet, REJECT_NAMES } from "../../../src/packet/packet.ts";
import { Savefile } from "../../../src/sentry/savefile.ts";
import { SavefileError, SavefileWindow } from "../../../src/sentry/savefile_window.ts";
import { bytes, ethernet, ipv4, ipv6, tcp, udp } from "../../frames.ts";
import { Blocks, pcap } from "../../savefiles.ts";
import { bytesTarget, MOST_INPUT_BYTES, type Seed, type Target } from "../target.ts";

const SMALL_PIECE = 13;
const WINDOW_BYTES = 2 * MOST_INPUT_BYTES;
const packet = new Packet();

/** What was found, a line a frame, and how the file ended. */
function read(input: Uint8Array, length: number, piece: number): string[] {
  const savefile = new Savefile(new SavefileWindow(WINDOW_BYTES));
  const { window: { bytes: memory }, frame } = savefile;
  // What is behind the bytes that were put in must not matter.
  memory.fill(input[length]);
  const lines: string[] = [];
  try {
    for (let offset = 0; offset < length; offset += piece) {
      const part = input.subarray(offset, Math.min(length, offset + piece));
      savefile.window.room().set(part);
      savefile.window.filled(part.length);
      while (savefile.next()) {
        assert.ok(frame.start <= frame.end && frame.end <= savefile.window.end);
        assert.ok(Number.isInteger(frame.timeMs));
        assert.ok(frame.timeMs >= 0 && frame.timeMs <= MOST_TIME_MS, `${frame.timeMs}`);
        const good = decodeBetween(memory, frame.start, frame.end, frame.linkType, packet);
        const what = good ? `port ${packet.destinationPort}` : REJECT_NAMES[packet.reject];
        lines.push(`${frame.timeMs} ${frame.end - frame.start} ${what}`);
        assert.ok(lines.length <= length, "more frames than bytes");
      }
    }
    savefile.end();
  } catch (error) {
    if (!(error instanceof SavefileError)) throw error;
    lines.push(error.message);
  }
  return lines;
}

/** Every kind of block in both byte orders, and pcap in all its forms. */
function seeds(): Seed[] {
  const frame = ethernet(ipv4(tcp()));
  const frames = [{ bytes: frame, seconds: 1 }, { bytes: ethernet(ipv6(udp()), 0x86dd) }];
  const forms = [true, false].flatMap((little) => [true, false].map((nano) => ({ little, nano })));
  return [
    ...forms.map((form) => ({ name: `pcap ${JSON.stringify(form)}`, bytes: pcap(frames, form) })),
    ...[true, false].map((little) => {
      const blocks = new Blocks(little);
      return {
        name: `pcapng ${little}`,
        bytes: bytes(
          blocks.section(),
          blocks.interface(LinkType.Ethernet, { resolution: 9, offset: -1n }),
          blocks.interface(LinkType.Raw, { snapshot: 64 }),
          blocks.enhanced(frame, { ticks: 1n << 60n, comment: "a comment" }),
          blocks.obsolete(ipv4(tcp()), { origin: 1 }),
          blocks.block(5, new Uint8Array(20)),
          blocks.simple(frame),
        ),
      };
    }),
  ];
}

export const SAVEFILE_TARGETS: Target[] = [
  bytesTarget("savefile", (input, length) => {
    const lines = read(input, length, Math.max(1, length));
    assert.deepEqual(read(input, length, SMALL_PIECE), lines);
    return lines.join("\n");
  }, {
    seeds: seeds(),
    dictionary: ["d4c3b2a1", "4d3cb2a1", "0a0d0d0a", "4d3c2b1a", "1a2b3c4d", "06000000", "00000006"]
      .concat(["0900010089000000", "00090001", "0c000000", "fcffffff", "ffffffff", "00000000"])
      .map((hex) => Uint8Array.fromHex(hex)),
  }),
];
