import assert from "node:assert/strict";
import fc from "fast-check";
import { decode, LinkType } from "../../src/packet/decode.ts";
import { Packet } from "../../src/packet/packet.ts";
import { Fingerprints } from "../../src/scan/fingerprint.ts";
import { bytes, ipv4, ipv6, tcp, udp } from "../frames.ts";
import { randomFrames } from "../packet/random_frames.ts";

const DONT_FRAGMENT = 0x4000;
const TARGET = 0xc000_0201; // 192.0.2.1

type Frame = Uint8Array<ArrayBuffer>;
type Tcp = NonNullable<Parameters<typeof tcp>[0]>;
type Ip = NonNullable<Parameters<typeof ipv4>[1]>;

/** A segment in IPv4. */
function segment(fields: Tcp, ip: Ip = {}): Frame {
  return ipv4(tcp(fields), ip);
}

/** A datagram of so many bytes in IPv4. */
function datagram(port: number, sourcePort: number, size: number, ip: Ip): Frame {
  const header = udp({ port, sourcePort, length: 8 + size });
  return ipv4(bytes(header, new Uint8Array(size)), { protocol: 17, ...ip });
}

/** So many frames, each made of its number. */
function times(count: number, make: (i: number) => Frame): Frame[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

/** A number that looks like none: no two of them are related. */
function scattered(i: number): number {
  return Math.imul(i + 1, 0x9e37_79b1) >>> 0;
}

function noteAll(fingerprints: Fingerprints, entry: number, frames: readonly Frame[]): void {
  const packet = new Packet();
  for (const frame of frames) {
    assert.ok(decode(frame, frame.length, LinkType.Raw, packet));
    fingerprints.note(entry, packet);
  }
}

function toolOf(frames: readonly Frame[]): string {
  const fingerprints = new Fingerprints(1);
  noteAll(fingerprints, 0, frames);
  return fingerprints.toolOf(0);
}

const MSS = [2, 4, 0x05, 0xb4]; // 1460
const SACK_PERMITTED = [4, 2];
const TIMESTAMPS = [8, 10, 0, 1, 2, 3, 0, 0, 0, 0];
const scale = (shift: number) => [3, 3, shift];

/** The options of ordinary systems' SYNs: p0f's list of signatures has most of them. */
const STACKS: [system: string, options: number[], window: number, ttl: number][] = [
  ["Linux", [...MSS, ...SACK_PERMITTED, ...TIMESTAMPS, 1, ...scale(7)], 64_240, 64],
  ["Linux without timestamps", [...MSS, 1, 1, ...SACK_PERMITTED, 1, ...scale(7)], 64_240, 64],
  ["Windows 10 and 11", [...MSS, 1, ...scale(8), 1, 1, ...SACK_PERMITTED], 64_240, 128],
  [
    "Windows with the largest window",
    [...MSS, 1, ...scale(8), 1, 1, ...SACK_PERMITTED],
    65_535,
    128,
  ],
  ["Windows XP", [...MSS, 1, 1, ...SACK_PERMITTED], 65_535, 128],
  [
    "macOS",
    [...MSS, 1, ...scale(6), 1, 1, ...TIMESTAMPS, ...SACK_PERMITTED, 0, 0],
    65_535,
    64,
  ],
  ["FreeBSD", [...MSS, 1, ...scale(6), ...SACK_PERMITTED, ...TIMESTAMPS], 65_535, 64],
  [
    "OpenBSD",
    [...MSS, 1, 1, ...SACK_PERMITTED, 1, ...scale(6), 1, 1, ...TIMESTAMPS],
    16_384,
    64,
  ],
];

/** unicornscan's sequence number, from its formula: the target's address backwards. */
function unicornscan(key: number, port: number, sourcePort: number): number {
  return (key ^ 0x0102_00c0 ^ (port << 16 | sourcePort)) >>> 0;
}

const nmap = (fields: Tcp, ttl = 45) => segment({ options: MSS, ...fields }, { ttl, id: 777 });
const masscan = (port: number, sequence: number, more: Tcp = {}, ip: Ip = {}) =>
  segment(
    { port, sequence, ...more },
    { ttl: 255, id: (TARGET ^ port ^ sequence) & 0xffff, ...ip },
  );
const linux = (i: number) =>
  segment(
    {
      port: i,
      sourcePort: 50_000 + i,
      sequence: scattered(i),
      window: 64_240,
      options: STACKS[0][1],
    },
    { fragment: DONT_FRAGMENT, id: scattered(i) & 0xffff },
  );
const NMAP_OS = (flags: number, window: number, options: number[], ip: Ip = {}) =>
  segment({ flags, window, options, acknowledgement: 0x7dc7_5d29 }, { ttl: 41, ...ip });
const TS_OS = [8, 10, 255, 255, 255, 255, 0, 0, 0, 0];
const T_OPTIONS = [...scale(10), 1, 2, 4, 1, 9, ...TS_OS, ...SACK_PERMITTED];

const CASES: [name: string, tool: string, frames: Frame[]][] = [
  ["no packet at all", "unknown", []],

  ["one SYN of nmap's", "nmap SYN", [nmap({ sequence: 0x413a_2997 })]],
  ["such a SYN from too far away", "unknown", [nmap({ sequence: 0x413a_2997 }, 64)]],
  ["such a SYN that must not be fragmented", "unknown", [
    segment({ options: MSS }, { ttl: 45, fragment: DONT_FRAGMENT }),
  ]],
  ["such a SYN with another segment size", "unknown", [
    segment({ options: [2, 4, 5, 0] }, { ttl: 45 }),
  ]],
  ["such a SYN with a window no nmap has", "unknown", [
    segment({ options: MSS, window: 5120 }, { ttl: 45 }),
  ]],
  [
    "an old nmap's SYNs, of one number",
    "nmap SYN",
    times(3, (i) => nmap({ port: i, sequence: 0x413a_2997, window: 3072 })),
  ],
  [
    "nmap's SYNs with --ttl, told by their numbers",
    "nmap SYN",
    times(4, (i) => nmap({ port: i, sequence: (0x413a_2997 ^ i * 0x0001_0001) >>> 0 }, 200)),
  ],
  [
    "what looks like them and has other numbers",
    "unknown",
    times(4, (i) => nmap({ port: i, sequence: scattered(i) }, 200)),
  ],
  [
    "what looks like them and starts at one time to live",
    "unknown",
    times(4, (i) => nmap({ port: i, sequence: scattered(i) }, 57)),
  ],
  [
    "runs of nmap, a port each",
    "nmap SYN",
    times(4, (i) => nmap({ sequence: scattered(i) }, 38 + 5 * i)),
  ],
  [
    "a sweep of nmap's, from port to port the same",
    "nmap SYN",
    times(
      4,
      (i) => ipv4(tcp({ options: MSS, sequence: 7 }), { ttl: 40 + i, destination: [192, 0, 2, i] }),
    ),
  ],
  [
    "nmap's SYNs over IPv6",
    "nmap SYN",
    times(3, (i) => ipv6(tcp({ port: i, options: MSS, sequence: 0x2b5_4fc3 }), { hopLimit: 255 })),
  ],
  ["one of them: others send the same", "unknown", [
    ipv6(tcp({ options: MSS, sequence: 0x2b5_4fc3 }), { hopLimit: 255 }),
  ]],
  ["nmap -sF", "nmap FIN", [segment({ flags: 0x01 }, { ttl: 45 })]],
  ["nmap -sN", "nmap NULL", [segment({ flags: 0 }, { ttl: 45 })]],
  ["nmap -sX", "nmap Xmas", [segment({ flags: 0x29 }, { ttl: 45 })]],
  ["nmap -sA and -sW", "nmap ACK/Window", [
    segment({ flags: 0x10, sequence: 0, acknowledgement: 0x4a73_2e96 }, { ttl: 45 }),
  ]],
  ["nmap -sM", "nmap Maimon", [
    segment({ flags: 0x11, sequence: 0, acknowledgement: 0xd965_a1e8 }, { ttl: 45 }),
  ]],
  ["nmap --scanflags URGPSH", "nmap custom flags", [segment({ flags: 0x28 }, { ttl: 45 })]],
  ["an ACK from within a connection", "unknown", [
    segment({ flags: 0x10, sequence: 99, acknowledgement: 0x4a73_2e96 }, { ttl: 45 }),
  ]],
  ["nmap's SYNs after the ACK that asks whether the host is up", "nmap SYN", [
    segment({ flags: 0x10, sequence: 0, acknowledgement: 0x4a73_2e96 }, { ttl: 45 }),
    ...times(2, (i) => nmap({ port: i, sequence: 0x413a_2997 }, 50 + i)),
  ]],
  [
    "nmap -sU",
    "nmap UDP",
    [45, 37, 58, 41].map((ttl, i) => datagram(i, 57_251, 0, { ttl, id: scattered(i) & 0xffff })),
  ],
  ["two of its datagrams", "unknown", [45, 58].map((ttl, i) => datagram(i, 57_251, 0, { ttl }))],
  [
    "datagrams that come by one way",
    "unknown",
    times(9, (i) => datagram(i, 57_251, 0, { ttl: 55 + i % 2, id: i })),
  ],
  ["nmap -sS -sU", "nmap SYN, UDP", [
    ...times(5, (i) => nmap({ port: i, sequence: 7 })),
    ...[45, 37, 58, 41].map((ttl, i) => datagram(i, 57_251, 0, { ttl })),
  ]],
  ["nmap -sT -sU", "nmap UDP", [
    ...times(5, linux),
    ...[45, 37, 58, 41].map((ttl, i) => datagram(i, 57_251, 0, { ttl })),
  ]],
  ["nmap -O's first probe", "nmap OS detection", [
    NMAP_OS(0x02, 1, [...scale(10), 1, ...MSS, ...TS_OS, ...SACK_PERMITTED]),
  ]],
  ["nmap -O's second", "nmap OS detection", [
    NMAP_OS(0x02, 63, [2, 4, 5, 120, ...scale(0), ...SACK_PERMITTED, ...TS_OS, 0]),
  ]],
  ["nmap -O's third", "nmap OS detection", [
    NMAP_OS(0x02, 4, [...TS_OS, 1, 1, ...scale(5), 1, 2, 4, 2, 128]),
  ]],
  ["nmap -O's fourth", "nmap OS detection", [
    NMAP_OS(0x02, 4, [...SACK_PERMITTED, ...TS_OS, ...scale(10), 0]),
  ]],
  ["nmap -O's fifth", "nmap OS detection", [
    NMAP_OS(0x02, 16, [2, 4, 2, 24, ...SACK_PERMITTED, ...TS_OS, ...scale(10), 0]),
  ]],
  ["nmap -O's sixth", "nmap OS detection", [
    NMAP_OS(0x02, 512, [2, 4, 1, 9, ...SACK_PERMITTED, ...TS_OS]),
  ]],
  ["nmap -O's ECN probe", "nmap OS detection", [
    segment(
      { flags: 0xc2, window: 3, options: [...scale(10), 1, ...MSS, ...SACK_PERMITTED, 1, 1] },
      { ttl: 41 },
    ),
  ]],
  ["nmap -O's T2", "nmap OS detection", [
    NMAP_OS(0x00, 128, T_OPTIONS, { fragment: DONT_FRAGMENT }),
  ]],
  ["nmap -O's T3", "nmap OS detection", [NMAP_OS(0x2b, 256, T_OPTIONS)]],
  ["nmap -O's T4", "nmap OS detection", [
    NMAP_OS(0x10, 1024, T_OPTIONS, { fragment: DONT_FRAGMENT }),
  ]],
  ["nmap -O's T5", "nmap OS detection", [NMAP_OS(0x02, 31_337, T_OPTIONS)]],
  ["nmap -O's T6", "nmap OS detection", [
    NMAP_OS(0x10, 32_768, T_OPTIONS, { fragment: DONT_FRAGMENT }),
  ]],
  ["nmap -O's T7", "nmap OS detection", [
    NMAP_OS(0x29, 65_535, [...scale(15), ...T_OPTIONS.slice(3)]),
  ]],
  ["T5 with a window of its own", "connect", [NMAP_OS(0x02, 31_338, T_OPTIONS)]],
  ["nmap -O's U1", "nmap OS detection", [
    datagram(42_666, 36_617, 300, { ttl: 57, id: 0x1042 }),
  ]],
  ["nmap -sS -O", "nmap SYN, OS detection", [
    ...times(5, (i) => nmap({ port: i, sequence: 7 })),
    NMAP_OS(0x02, 31_337, T_OPTIONS),
    datagram(42_666, 36_617, 300, { ttl: 57, id: 0x1042 }),
  ]],

  ["one SYN of masscan's", "masscan", [masscan(58, 0xc071_6d61)]],
  ["such a SYN with another number", "unknown", [
    masscan(58, 0xc071_6d61, {}, { id: 28_507 }),
  ]],
  ["such a SYN that must not be fragmented", "unknown", [
    masscan(58, 0xc071_6d61, {}, { fragment: DONT_FRAGMENT }),
  ]],
  ["a later masscan's, with a segment size", "masscan", [
    masscan(58, 0xc071_6d61, { options: MSS }),
  ]],
  ["an earlier masscan's, with no window", "masscan", [masscan(58, 0xc071_6d61, { window: 0 })]],
  ["masscan --ttl 64", "masscan", [masscan(58, 0xc071_6d61, {}, { ttl: 64 })]],
  ["masscan's number by chance, from a system", "connect", [
    masscan(58, 0xc071_6d61, { options: STACKS[0][1], window: 64_240 }, {
      ttl: 64,
      fragment: DONT_FRAGMENT,
    }),
  ]],
  [
    "a hundred thousand SYNs of masscan's",
    "masscan",
    Array(100_000).fill(masscan(58, 0xc071_6d61)),
  ],
  [
    "masscan over IPv6",
    "masscan",
    times(2, (i) => ipv6(tcp({ port: i, sequence: scattered(i) }), { hopLimit: 254 })),
  ],
  [
    "masscan -pU",
    "masscan",
    times(5, (i) => datagram(i, 59_194, 0, { ttl: 255, id: scattered(i) & 0xffff })),
  ],
  [
    "a small device's datagrams, which counts them",
    "unknown",
    times(9, (i) => datagram(i, 49_153, 0, { ttl: 255, id: 20 + 3 * i })),
  ],

  ["one SYN of zmap's", "zmap", [segment({ window: 65_535 }, { ttl: 250, id: 54_321 })]],
  ["a later zmap's, with a segment size", "zmap", [
    segment({ window: 65_535, options: MSS }, { ttl: 250, id: 54_321 }),
  ]],
  ["a zmap of 2024 and after", "zmap", [
    segment({ window: 65_535, options: STACKS[2][1] }, { ttl: 250, id: 4711 }),
  ]],
  ["zmap's number and a system's options", "connect", [
    segment(
      { window: 65_535, options: STACKS[5][1] },
      { ttl: 60, id: 54_321, fragment: DONT_FRAGMENT },
    ),
  ]],
  ["zmap's number and a window of one's own", "unknown", [
    segment({ window: 32_767 }, { ttl: 250, id: 54_321 }),
  ]],
  ["zmap -M udp", "zmap", [datagram(53, 55_209, 5, { ttl: 255, id: 54_321 })]],
  ["zmap's number in a system's datagram", "unknown", [
    datagram(53, 55_209, 5, { ttl: 64, id: 54_321 }),
  ]],

  ["hping3 -S", "hping3", [
    segment({ window: 512, acknowledgement: 0x5754_1bd8 }, { id: 20_071 }),
  ]],
  ["hping3 -F", "hping3", [segment({ window: 512, flags: 0x01 })]],
  ["hping3 without flags", "hping3", [segment({ window: 512, flags: 0 })]],
  ["the end of a connection, with a small window", "unknown", [
    segment({ window: 512, flags: 0x11, acknowledgement: 9 }),
  ]],
  ["a window of 512 with options", "unknown", [segment({ window: 512, options: MSS })]],
  [
    "hping3 -2",
    "hping3",
    times(4, (i) => datagram(20 + i, 1106 + i, 0, { id: scattered(i) & 0xffff })),
  ],
  [
    "hping3 -2, twice: too little",
    "unknown",
    times(2, (i) => datagram(20 + i, 1106 + i, 0, { id: scattered(i) & 0xffff })),
  ],
  [
    "Windows' datagrams, from port to port",
    "unknown",
    times(9, (i) => datagram(20 + i, 50_000 + i, 0, { id: 17 * i, ttl: 128 })),
  ],

  ["a Mirai-like bot", "Mirai-like bot", [segment({ sequence: TARGET, window: 4711 })]],
  ["its number with ACK", "unknown", [segment({ sequence: TARGET, window: 4711, flags: 0x12 })]],

  [
    "unicornscan, as a router",
    "unicornscan",
    times(3, (i) =>
      segment({
        port: 20 + i,
        sourcePort: 40_000 - 999 * i,
        sequence: unicornscan(0xdead_beef, 20 + i, 40_000 - 999 * i),
        window: 4128,
        options: MSS,
      }, { ttl: 255 })),
  ],
  [
    "unicornscan, as a Linux",
    "unicornscan",
    times(3, (i) =>
      segment({
        port: 23,
        sourcePort: 40_000 - 999 * i,
        sequence: unicornscan(0xdead_beef, 23, 40_000 - 999 * i),
        window: 5744,
        options: STACKS[0][1],
      }, { fragment: DONT_FRAGMENT })),
  ],
  ["one packet of it", "unknown", [
    segment({ sequence: unicornscan(7, 23, 40_000), window: 4128, options: MSS }, { ttl: 255 }),
  ]],
  [
    "a router that sends its SYN again",
    "unknown",
    times(4, () => segment({ sequence: 4711, window: 4128, options: MSS }, { ttl: 255 })),
  ],

  [
    "a small device (lwIP)",
    "unknown",
    times(
      4,
      (i) =>
        segment({ port: i, sequence: 6510 + i * 65_536, window: 2144, options: MSS }, { ttl: 255 }),
    ),
  ],
  [
    "a small device with a round window, near",
    "unknown",
    times(
      4,
      (i) =>
        segment({ port: i, sequence: 6510 + 9999 * i, window: 4096, options: MSS }, { ttl: 64 }),
    ),
  ],
  ["macOS, after its SYN went unanswered", "unknown", [
    segment({ window: 65_535, options: MSS }, { fragment: DONT_FRAGMENT }),
  ]],
  ["TCP Fast Open", "connect", [
    segment({ window: 64_240, options: [...STACKS[0][1], 34, 2, 1, 1] }, {
      fragment: DONT_FRAGMENT,
    }),
  ]],
  ["a system that offers explicit congestion notification", "connect", [
    segment({ flags: 0xc2, window: 64_240, options: STACKS[0][1] }, { fragment: DONT_FRAGMENT }),
  ]],
  ["connect() and a few datagrams beside it", "connect", [
    ...times(4, linux),
    ...times(4, (i) => datagram(i, 50_000, 1, { fragment: DONT_FRAGMENT })),
  ]],
  ["a lone connect() among datagrams", "unknown", [
    linux(1),
    ...times(9, (i) => datagram(i, 50_000, 1, { fragment: DONT_FRAGMENT })),
  ]],

  ["four SYNs of nmap's and one connect()", "nmap SYN", [
    linux(1),
    ...times(4, (i) => nmap({ port: i, sequence: 7 })),
  ]],
  ["three of nmap's and one connect()", "unknown", [
    linux(1),
    ...times(3, (i) => nmap({ port: i, sequence: 7 })),
  ]],
  ["two tools at once", "unknown", [
    ...times(3, (i) => nmap({ port: i, sequence: 7 })),
    ...times(3, (i) => masscan(i, scattered(i))),
  ]],
  ["two tools at once, one of them over UDP", "unknown", [
    ...times(3, (i) => masscan(i, scattered(i))),
    datagram(53, 55_209, 5, { ttl: 255, id: 54_321 }),
  ]],
];

for (const [name, tool, frames] of CASES) {
  Deno.test(`Fingerprints.toolOf() says ${tool} of ${name}`, () => {
    assert.equal(toolOf(frames), tool);
  });
}

for (const [system, options, window, ttl] of STACKS) {
  Deno.test(`Fingerprints.toolOf() says connect of ${system}`, () => {
    const frames = times(5, (i) =>
      segment(
        { port: i, sourcePort: 50_000 + i, sequence: scattered(i), options, window },
        { ttl: ttl - 3, fragment: DONT_FRAGMENT, id: scattered(i) & 0xffff },
      ));
    assert.equal(toolOf(frames), "connect");
    assert.equal(toolOf(frames.slice(0, 1)), "connect");
  });
}

Deno.test("Fingerprints.toolOf() never calls a system's SYNs a tool", () => {
  const syn = fc.record({
    port: fc.nat(0xffff),
    sourcePort: fc.nat(0xffff),
    sequence: fc.nat(0xffff_ffff),
    id: fc.nat(0xffff),
    again: fc.nat(3), // as many times it is sent once more
  });
  fc.assert(
    fc.property(
      fc.constantFrom(...STACKS),
      fc.oneof(fc.nat(0xffff), fc.constantFrom(1, 4, 512, 1024, 4096, 4128, 65_535)),
      fc.integer({ min: 1, max: 128 }),
      fc.array(syn, { minLength: 1, maxLength: 12 }),
      ([, options], window, ttl, syns) => {
        const frames = syns.flatMap(({ port, sourcePort, sequence, id, again }) =>
          Array<Frame>(1 + again).fill(
            segment(
              { port, sourcePort, sequence, options, window },
              { ttl, id, fragment: DONT_FRAGMENT },
            ),
          )
        );
        assert.equal(toolOf(frames), "connect");
      },
    ),
    { numRuns: 3000 },
  );
});

Deno.test("Fingerprints.toolOf() says nothing of a system's datagrams", () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.integer({ min: 3, max: 128 }),
      fc.nat(0xffff),
      fc.array(
        fc.record({ port: fc.nat(0xffff), size: fc.nat(60), path: fc.nat(2), step: fc.nat(50) }),
        { minLength: 1, maxLength: 20 },
      ),
      fc.boolean(),
      (forbids, ttl, firstId, sent, samePort) => {
        let id = firstId;
        const frames = sent.map(({ port, size, path, step }, i) =>
          datagram(port, samePort ? 50_000 : 50_000 + i, size, {
            ttl: ttl - path,
            id: id = (id + step) & 0xffff,
            fragment: forbids ? DONT_FRAGMENT : 0,
          })
        );
        assert.equal(toolOf(frames), "unknown");
      },
    ),
    { numRuns: 3000 },
  );
});

Deno.test("Fingerprints.reset() forgets one scan, and leaves its neighbours", () => {
  const fingerprints = new Fingerprints(3);
  const scans = [
    times(3, linux),
    times(3, (i) => nmap({ port: i, sequence: 7 })),
    times(3, (i) => masscan(i, scattered(i))),
  ];
  const packet = new Packet();
  for (let i = 0; i < 3; i++) {
    scans.forEach((frames, entry) => {
      decode(frames[i], frames[i].length, LinkType.Raw, packet);
      fingerprints.note(entry, packet);
    });
  }
  const tools = () => [0, 1, 2].map((entry) => fingerprints.toolOf(entry));
  assert.deepEqual(tools(), ["connect", "nmap SYN", "masscan"]);
  fingerprints.reset(1);
  assert.deepEqual(tools(), ["connect", "unknown", "masscan"]);
  noteAll(fingerprints, 1, [segment({ flags: 0 }, { ttl: 45 })]);
  assert.deepEqual(tools(), ["connect", "nmap NULL", "masscan"]);
});

Deno.test("Fingerprints.note() takes nothing from packets of connect mode", () => {
  const fingerprints = new Fingerprints(1);
  fingerprints.note(0, new Packet());
  assert.equal(fingerprints.toolOf(0), "unknown");
});

Deno.test("Fingerprints.note() takes whatever can be decoded", () => {
  const fingerprints = new Fingerprints(8);
  const packet = new Packet();
  const names = new Set<string>();
  let noted = 0;
  for (const { bytes, length, linkType } of randomFrames(20_000, 7)) {
    if (!decode(bytes, length, linkType, packet)) continue;
    const entry = noted++ & 7;
    if (noted % 50 === 0) fingerprints.reset(entry);
    fingerprints.note(entry, packet);
    names.add(fingerprints.toolOf(entry));
  }
  assert.ok(noted > 5000, `${noted} packets`);
  for (const name of names) assert.match(name, /^[A-Za-z][A-Za-z0-9 ,/-]*$/);
});
