import assert from "node:assert/strict";
import { MOST_BLOCK_BYTES, MOST_FRAME_BYTES, MOST_SAVEFILE_INTERFACES } from "../../src/limits.ts";
import { decodeBetween, LinkType } from "../../src/packet/decode.ts";
import { Packet } from "../../src/packet/packet.ts";
import { Savefile } from "../../src/sentry/savefile.ts";
import { SavefileError } from "../../src/sentry/savefile_window.ts";
import { bytes, ethernet, ipv4, LINKS, tcp } from "../frames.ts";
import { Blocks, pcap, words32 } from "../savefiles.ts";

type Found = [port: number, linkType: number, timeMs: number];

/** What a file holds, given to the reader in pieces of `piece` bytes, and how it ends. */
function read(file: Uint8Array, piece = file.length): { found: Found[]; error?: string } {
  const savefile = new Savefile();
  const packet = new Packet();
  const found: Found[] = [];
  try {
    for (let offset = 0; offset < file.length; offset += piece) {
      const part = file.subarray(offset, offset + piece);
      savefile.window.room().set(part);
      savefile.window.filled(part.length);
      while (savefile.next()) {
        const { start, end, linkType, timeMs } = savefile.frame;
        const good = decodeBetween(savefile.window.bytes, start, end, linkType, packet);
        found.push([good ? packet.destinationPort : -packet.reject, linkType, timeMs]);
      }
    }
    savefile.end();
    return { found };
  } catch (error) {
    assert.ok(error instanceof SavefileError, String(error));
    return { found, error: error.message };
  }
}

const probe = (port: number) => ethernet(ipv4(tcp({ port })));
const TIME_S = 1_795_371_674;
const { Ethernet } = LinkType;

for (const little of [true, false]) {
  const order = little ? "little-endian" : "big-endian";
  for (const nano of [false, true]) {
    Deno.test(`Savefile reads a ${order} pcap file of ${nano ? "nano" : "micro"}seconds`, () => {
      const fraction = nano ? 160_999_999 : 160_999;
      const frames = [23, 80].map((port) => ({ bytes: probe(port), seconds: TIME_S, fraction }));
      assert.deepEqual(read(pcap(frames, { little, nano })), {
        found: [[23, Ethernet, TIME_S * 1000 + 160], [80, Ethernet, TIME_S * 1000 + 160]],
      });
    });
  }

  Deno.test(`Savefile reads ${order} pcapng blocks of every kind that holds packets`, () => {
    const blocks = new Blocks(little);
    const ticks = BigInt(TIME_S) * 1_000_000n + 160_999n;
    const file = bytes(
      blocks.section(),
      blocks.interface(Ethernet),
      blocks.block(5, new Uint8Array(40)), // statistics
      blocks.enhanced(probe(1), { ticks, comment: "a probe" }),
      blocks.block(0x8000_0bad, new Uint8Array(33)),
      blocks.obsolete(probe(2), { ticks: ticks + 1_000_000n }),
      blocks.simple(probe(3)),
    );
    const timeMs = TIME_S * 1000 + 160;
    assert.deepEqual(read(file), {
      found: [[1, Ethernet, timeMs], [2, Ethernet, timeMs + 1000], [3, Ethernet, timeMs + 1000]],
    });
  });
}

Deno.test("Savefile reads sections of both byte orders with interfaces of all link types", () => {
  const links = LINKS.filter(([, linkType], i) => LINKS.findIndex((l) => l[1] === linkType) === i);
  const file = [true, false].flatMap((little) => {
    const blocks = new Blocks(little);
    return [
      blocks.section(),
      ...links.map(([, linkType]) => blocks.interface(linkType)),
      ...links.map(([, , build], i) =>
        blocks.enhanced(build(ipv4(tcp({ port: i })), 0x0800), { origin: i })
      ),
    ];
  });
  const { found, error } = read(bytes(...file));
  assert.equal(error, undefined);
  const expected = links.map(([, linkType], port) => [port, linkType, 0]);
  assert.deepEqual(found, [...expected, ...expected]);
});

/** if_tsresol, if_tsoffset, the packet's ticks, and the milliseconds that they are. */
const TIMES: [name: string, resolution: number, offset: bigint, ticks: bigint, timeMs: number][] = [
  ["seconds", 0, 0n, BigInt(TIME_S), TIME_S * 1000],
  ["milliseconds", 3, 0n, BigInt(TIME_S) * 1000n + 7n, TIME_S * 1000 + 7],
  ["nanoseconds", 9, 0n, BigInt(TIME_S) * 10n ** 9n + 159_999_999n, TIME_S * 1000 + 159],
  ["units of 2^-10 s", 0x8a, 0n, BigInt(TIME_S) * 1024n + 512n, TIME_S * 1000 + 500],
  ["units of 2^-32 s", 0xa0, 0n, BigInt(TIME_S) << 32n | 1n << 31n, TIME_S * 1000 + 500],
  ["an offset", 6, BigInt(TIME_S), 5000n, TIME_S * 1000 + 5],
  ["a negative offset", 6, -10n, BigInt(TIME_S) * 10n ** 6n, (TIME_S - 10) * 1000],
  ["a time before 1970", 6, -10n, 5n, 0],
  ["a time that has no date", 0, 0n, 2n ** 64n - 1n, Date.UTC(9999, 11, 31)],
  ["units too small to count", 127, 0n, 2n ** 64n - 1n, 0],
];
for (const [name, resolution, offset, ticks, timeMs] of TIMES) {
  Deno.test(`Savefile reads times of pcapng: ${name}`, () => {
    const blocks = new Blocks();
    const origin = blocks.interface(Ethernet, { resolution, offset });
    const file = bytes(blocks.section(), origin, blocks.enhanced(probe(1), { ticks }));
    assert.deepEqual(read(file), { found: [[1, Ethernet, timeMs]] });
  });
}

Deno.test("Savefile gives a simple packet no more than the interface keeps of it", () => {
  const blocks = new Blocks();
  const short = blocks.interface(Ethernet, { snapshot: 53 });
  const { found } = read(bytes(blocks.section(), short, blocks.simple(probe(1))));
  assert.deepEqual(found, [[-9, Ethernet, 0]]); // short TCP header
});

Deno.test("Savefile finds the same in pieces of any size", () => {
  const blocks = new Blocks();
  const files = [
    pcap([1, 2, 3].map((port) => ({ bytes: probe(port), seconds: port }))),
    bytes(
      blocks.section(),
      blocks.interface(Ethernet),
      blocks.enhanced(probe(1)),
      blocks.block(99, new Uint8Array(500)),
      blocks.enhanced(probe(2)),
      blocks.section(),
      blocks.interface(Ethernet),
      blocks.simple(probe(3)),
    ),
  ];
  for (const file of files) {
    const whole = read(file);
    assert.equal(whole.found.length, 3);
    for (const piece of [1, 2, 7, 16, 61]) assert.deepEqual(read(file, piece), whole);
  }
});

Deno.test("Savefile reads what is whole of a file cut anywhere, and says where it is cut", () => {
  const blocks = new Blocks();
  const size = 16 + probe(1).length;
  const file = pcap([1, 2].map((port) => ({ bytes: probe(port) })));
  for (let length = 4; length < file.length; length++) {
    const whole = Math.max(0, Math.floor((length - 24) / size));
    const { found, error } = read(file.subarray(0, length));
    assert.equal(found.length, whole, `${length} bytes`);
    const rest = length < 24 ? 0 : 24 + whole * size;
    const cut = `It is cut short: what begins at byte ${rest} is not all there`;
    assert.equal(error, rest === length ? undefined : cut, `${length} bytes`);
  }
  const skipped = bytes(blocks.section(), blocks.block(99, new Uint8Array(500)));
  assert.match(read(skipped.subarray(0, 400)).error ?? "", /cut short/);
});

const blocks = new Blocks();
const start = bytes(blocks.section(), blocks.interface(Ethernet));
const tooMany = Array<Uint8Array>(MOST_SAVEFILE_INTERFACES + 1).fill(blocks.interface(Ethernet));
const wrongEnd = blocks.enhanced(probe(1));
wrongEnd[wrongEnd.length - 4]++;
const lying = blocks.enhanced(probe(1));
new DataView(lying.buffer).setUint32(20, 5000, true);
const FAULTS: [name: string, file: Uint8Array, error: RegExp][] = [
  ["an empty file", bytes(), /^It is empty$/],
  ["a file of three bytes", bytes([0xd4, 0xc3, 0xb2]), /no capture file: neither pcap nor pcapng/],
  ["text", new TextEncoder().encode("Scan from:"), /no capture file: neither pcap nor pcapng/],
  ["pcap of version 1", pcap([]).with(4, 1), /a capture file of version 1\.4/],
  [
    "a packet that is too long",
    pcap([{ bytes: probe(1), captured: MOST_FRAME_BYTES + 1 }]),
    /The record at byte 24 says that it has 262145 bytes of a packet/,
  ],
  ["a block of 0 bytes", bytes(start, words32(true, 6, 0, 0)), /says that it is 0 bytes long/],
  ["a block of 13 bytes", bytes(start, words32(true, 99, 13, 0)), /says that it is 13 bytes long/],
  [
    "a block that is too long",
    bytes(start, words32(true, 6, MOST_BLOCK_BYTES + 4, 0)),
    /is 524292 bytes long: no more than 524288 are read/,
  ],
  ["a block with two lengths", bytes(start, wrongEnd), /another length at its end/],
  ["a block with too long a packet", bytes(start, lying), /5000 bytes of a packet, more than its/],
  ["a packet block that is too short", bytes(start, blocks.block(6, [0])), /too short to hold a/],
  ["a simple block that is too short", bytes(start, blocks.block(3)), /too short to hold a/],
  ["an interface that is too short", bytes(start, blocks.block(1)), /too short to describe an/],
  [
    "an option that is too long",
    bytes(start, blocks.block(1, [1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 99, 0])),
    /an option that is longer than what is left/,
  ],
  ["a packet of no interface", bytes(blocks.section(), blocks.simple(probe(1))), /interface 0/],
  [
    "a packet of an interface of the section before",
    bytes(start, blocks.section(), blocks.enhanced(probe(1))),
    /a packet of interface 0, which is not described before that/,
  ],
  ["too many interfaces", bytes(start, ...tooMany), /more than the 4096/],
  ["a section of version 2", blocks.section({ major: 2 }), /section of version 2: only 1 is known/],
  [
    "a section without a byte order",
    blocks.section().fill(0, 8, 12),
    /does not tell its byte order/,
  ],
];
for (const [name, file, error] of FAULTS) {
  Deno.test(`Savefile refuses ${name}`, () => {
    assert.match(read(file).error ?? "", error);
    assert.match(read(file, 100).error ?? "", error);
  });
}

Deno.test("Savefile passes over a block of 4 GiB without keeping it", () => {
  const file = bytes(start, words32(true, 99, 0xffff_fffc, 0));
  assert.match(read(file).error ?? "", /cut short/);
});
