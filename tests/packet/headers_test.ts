import assert from "node:assert/strict";
import { decode, LinkType } from "../../src/packet/decode.ts";
import { Headers } from "../../src/packet/headers.ts";
import { Packet } from "../../src/packet/packet.ts";
import { TcpOptions } from "../../src/packet/tcp_options.ts";
import {
  bytes,
  corpusFrame,
  ethernet,
  extension,
  fragmentHeader,
  ipv4,
  ipv6,
  LINKS,
  tcp,
  udp,
} from "../frames.ts";

const { Raw } = LinkType;
const DONT_FRAGMENT = 0x4000;

/** What is read of a frame's first `length` bytes. */
function headersOf(frame: Uint8Array, linkType: number = Raw, length = frame.length): Headers {
  const packet = new Packet();
  assert.ok(decode(frame, length, linkType, packet));
  const headers = new Headers();
  assert.equal(headers.read(packet), true);
  return headers;
}

const SEGMENT = tcp({
  sequence: 0xfedc_ba98,
  acknowledgement: 0x8123_4567,
  window: 64_240,
  options: [2, 4, 0x05, 0xb4],
});

for (const [name, linkType, build] of LINKS) {
  Deno.test(`Headers.read() finds both headers on ${name}`, () => {
    const four = headersOf(
      build(ipv4(SEGMENT, { ttl: 37, id: 54_321, fragment: DONT_FRAGMENT }), 0x0800),
      linkType,
    );
    assert.deepEqual([four.ttl, four.ipId, four.dontFragment], [37, 54_321, true]);
    const six = headersOf(build(ipv6(SEGMENT, { hopLimit: 255 }), 0x86dd), linkType);
    assert.deepEqual([six.ttl, six.ipId, six.dontFragment], [255, 0, true]);
    for (const { sequence, acknowledgement, window, options } of [four, six]) {
      assert.deepEqual([sequence, acknowledgement, window], [
        0xfedc_ba98 | 0,
        0x8123_4567 | 0,
        64_240,
      ]);
      assert.deepEqual([options.kinds, options.maximumSegment], [0x2, 1460]);
    }
  });
}

Deno.test("Headers.read() finds TCP behind IPv4 options and IPv6 extension headers", () => {
  assert.equal(headersOf(ipv4(SEGMENT, { options: 40 })).window, 64_240);
  const chain = bytes(extension(43), extension(44, 2), fragmentHeader(6, 0, true), SEGMENT);
  assert.equal(headersOf(ipv6(chain, { nextHeader: 0 })).window, 64_240);
});

const EMPTY: [number, number][] = [[0, 0], [1, 1], [1440, 1440]];

for (const [size, payloadLength] of EMPTY) {
  const payload = new Uint8Array(size);
  const frames: [name: string, frame: Uint8Array][] = [
    ["a segment", ipv4(bytes(SEGMENT, payload), { options: 8 })],
    ["a segment over IPv6", ipv6(bytes(extension(6), SEGMENT, payload), { nextHeader: 0 })],
    ["a datagram", ipv4(bytes(udp({ length: 8 + size }), payload), { protocol: 17 })],
    ["a datagram over IPv6", ipv6(bytes(udp({ length: 8 + size }), payload), { nextHeader: 17 })],
  ];
  for (const [name, frame] of frames) {
    Deno.test(`Headers.read() knows the ${size} bytes that ${name} carries, also when cut`, () => {
      assert.equal(headersOf(frame).payloadLength, payloadLength);
      assert.equal(headersOf(frame, Raw, frame.length - size).payloadLength, payloadLength);
    });
  }
}

Deno.test("Headers.read() does not take Ethernet's padding for payload", () => {
  const padded = ethernet(bytes(ipv4(SEGMENT), new Uint8Array(6)));
  assert.equal(headersOf(padded, LinkType.Ethernet).payloadLength, 0);
});

Deno.test("Headers.read() does not know a payload that offloading or a jumbogram leaves open", () => {
  const payload = new Uint8Array(30);
  assert.equal(headersOf(ipv4(bytes(SEGMENT, payload), { totalLength: 0 })).payloadLength, -1);
  assert.equal(headersOf(ipv6(bytes(SEGMENT, payload), { payloadLength: 0 })).payloadLength, -1);
  const jumbogram = bytes(udp({ length: 0 }), payload);
  assert.equal(headersOf(ipv6(jumbogram, { nextHeader: 17, payloadLength: 0 })).payloadLength, -1);
});

Deno.test("Headers.read() leaves nothing of a segment in a datagram", () => {
  const packet = new Packet();
  const headers = new Headers();
  for (const frame of [ipv4(SEGMENT), ipv4(udp(), { protocol: 17 })]) {
    assert.ok(decode(frame, frame.length, Raw, packet));
    headers.read(packet);
  }
  const { sequence, acknowledgement, window, options } = headers;
  assert.deepEqual([sequence, acknowledgement, window], [0, 0, 0]);
  assert.deepEqual({ ...options }, { ...new TcpOptions() });
});

Deno.test("Headers.read() has nothing to read of connect mode's packets", () => {
  assert.equal(new Headers().read(new Packet()), false);
});

Deno.test("Headers.read() reads nmap's own SYN", () => {
  const { bytes: frame, linkType } = corpusFrame("tcp4_syn");
  const { window, options, ttl, acknowledgement } = headersOf(frame, linkType);
  assert.deepEqual([window, options.kinds, options.maximumSegment], [1024, 0x2, 1460]);
  assert.ok(ttl >= 37 && ttl <= 59);
  assert.equal(acknowledgement, 0);
});

const MSS = [2, 4, 0x05, 0xb4];
const SCALE = [3, 3, 7];
const SACK_PERMITTED = [4, 2];
const TIMESTAMPS = [8, 10, 1, 2, 3, 4, 0, 0, 0, 0];

const OPTIONS: [
  name: string,
  bytes: number[],
  kinds: number,
  maximumSegment?: number,
  windowScale?: number,
][] = [
  ["none", [], 0],
  ["nmap's", MSS, 0x2, 1460],
  ["Linux'", [...MSS, ...SACK_PERMITTED, ...TIMESTAMPS, 1, ...SCALE], 0x24813, 1460, 7],
  ["Windows'", [...MSS, 1, 3, 3, 8, 1, 1, ...SACK_PERMITTED], 0x213114, 1460, 8],
  [
    "macOS', of which seven count",
    [...MSS, 1, ...SCALE, 1, 1, ...TIMESTAMPS, ...SACK_PERMITTED, 0, 0],
    0x2131184,
    1460,
    7,
  ],
  ["forty no-operations", Array(40).fill(1), 0x1111111],
  ["a segment size behind the seventh", [1, 1, 1, 1, 1, 1, 1, ...MSS, 1], 0x1111111, 1460],
  ["the end, and what is behind it", [0, ...MSS, 0, 0, 0], 0xe],
  ["a length of 0", [2, 0, 5, 180], 0xf],
  ["a length of 1", [3, 1, 1, 1], 0xf],
  ["a length behind the header's end", [1, 1, 2, 4], 0x11f],
  ["a length at the header's end", [1, 1, 1, 2], 0x111f],
  ["a longer segment size", [2, 6, 5, 180, 0, 0, 1, 1], 0x211],
  ["a shorter window scale", [3, 2, 1, 1], 0x311],
  ["SACK", [5, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1], 0x511],
  ["a kind that nobody knows", [30, 4, 0, 0, ...MSS], 0xf2, 1460],
  ["kinds that look like digits", [6, 2, 14, 2, 15, 2, 7, 2], 0xffff],
  ["the last of two segment sizes", [...MSS, 2, 4, 1, 0], 0x22, 256],
];

for (const [name, behind, kinds, maximumSegment = 0, windowScale = -1] of OPTIONS) {
  Deno.test(`TcpOptions.read() reads ${name}`, () => {
    const options = new TcpOptions();
    options.maximumSegment =
      options.windowScale =
      options.kinds =
      options.bits =
        99;
    const noise = Uint8Array.from([9, 9, ...behind, 2, 4, 9, 9, 3, 3, 9]);
    options.read(noise, 2, 2 + behind.length);
    assert.equal(options.kinds.toString(16), kinds.toString(16));
    assert.deepEqual([options.maximumSegment, options.windowScale], [maximumSegment, windowScale]);
    const digits = [...kinds.toString(16)].filter(() => kinds > 0).map((digit) =>
      parseInt(digit, 16)
    );
    for (const digit of digits) assert.ok((options.bits & 1 << digit) !== 0);
  });
}
