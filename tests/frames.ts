/**
 * Frames for the tests: real ones from `testdata/packets`, and ones built layer by layer.
 *
 * @module
 */
import { LinkType } from "../src/packet/decode.ts";

/** A frame and the link type it was captured with. */
export interface NamedFrame {
  name: string;
  linkType: number;
  bytes: Uint8Array<ArrayBuffer>;
}

const PACKETS = new URL("./testdata/packets/", import.meta.url);

/** A frame of the corpus, such as `tcp4_syn`. */
export function corpusFrame(name: string): NamedFrame {
  const text = Deno.readTextFileSync(new URL(`${name}.hex`, PACKETS));
  const linkType = Number(/^# link type: (\d+)$/m.exec(text)?.[1]);
  const hex = text.replaceAll(/^#.*$/gm, "").replaceAll(/\s/g, "");
  return { name, linkType, bytes: Uint8Array.fromHex(hex) };
}

/** All frames of the corpus. */
export function corpus(): NamedFrame[] {
  return [...Deno.readDirSync(PACKETS)].map(({ name }) => name.replace(/\.hex$/, "")).sort()
    .map(corpusFrame);
}

type Bytes = Uint8Array<ArrayBuffer>;

/** Byte strings and numbers, one behind the other. */
export function bytes(...parts: (Uint8Array | number[])[]): Bytes {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export function u16(value: number): number[] {
  return [value >> 8 & 0xff, value & 0xff];
}

export const SYN = 0x02;
export const SOURCE4 = [192, 0, 2, 9];
export const TARGET4 = [192, 0, 2, 1];
export const SOURCE6 = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
export const TARGET6 = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

export function u32(value: number): number[] {
  return [...u16(value >>> 16), ...u16(value)];
}

/**
 * A TCP header (RFC 9293) from port 40000, with `options` behind it: those bytes, or so many of
 * no-operation.
 */
export function tcp(
  {
    port = 23,
    flags = SYN,
    options = 0,
    dataOffset,
    sourcePort = 40000,
    sequence = 1,
    acknowledgement = 0,
    window = 1024,
  }: {
    port?: number;
    flags?: number;
    options?: number | number[];
    dataOffset?: number;
    sourcePort?: number;
    sequence?: number;
    acknowledgement?: number;
    window?: number;
  } = {},
): Bytes {
  const behind = typeof options === "number" ? Array<number>(options).fill(1) : options;
  return bytes(
    u16(sourcePort),
    u16(port),
    u32(sequence),
    u32(acknowledgement),
    [(dataOffset ?? 5 + behind.length / 4) << 4, flags],
    u16(window),
    [0, 0, 0, 0],
    behind,
  );
}

/** A UDP header (RFC 768) from port 40000. */
export function udp({ port = 161, length = 8, sourcePort = 40000 } = {}): Bytes {
  return bytes(u16(sourcePort), u16(port), u16(length), [0, 0]);
}

/** An ICMP or ICMPv6 message (RFC 792, RFC 4443) without data behind its first 8 bytes. */
export function icmp(type = 8): Bytes {
  return bytes([type, 0, 0, 0], u16(0x1234), u16(1));
}

/** An IPv4 packet (RFC 791) around `payload`. */
export function ipv4(
  payload: Uint8Array,
  {
    protocol = 6,
    options = 0,
    fragment = 0,
    totalLength,
    version = 4,
    source = SOURCE4,
    destination = TARGET4,
    id = 0,
    ttl = 64,
  }: {
    protocol?: number;
    options?: number;
    fragment?: number;
    totalLength?: number;
    version?: number;
    source?: number[];
    destination?: number[];
    id?: number;
    ttl?: number;
  } = {},
): Bytes {
  const packet = bytes(
    [version << 4 | (5 + options / 4), 0],
    u16(totalLength ?? 20 + options + payload.length),
    u16(id),
    u16(fragment),
    [ttl, protocol, 0, 0],
    source,
    destination,
    Array(options).fill(1),
    payload,
  );
  setIpChecksum(packet);
  return packet;
}

/** Puts the checksum into the IPv4 header at `start` (RFC 1071). */
export function setIpChecksum(packet: Bytes, start = 0): void {
  const view = new DataView(packet.buffer, packet.byteOffset + start);
  view.setUint16(10, 0);
  let sum = 0;
  for (let i = 0; i < (packet[start] & 0x0f) * 4; i += 2) sum += view.getUint16(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  view.setUint16(10, ~sum & 0xffff);
}

/** An IPv6 packet (RFC 8200) around `payload`. */
export function ipv6(
  payload: Uint8Array,
  {
    nextHeader = 6,
    payloadLength = payload.length,
    source = SOURCE6,
    destination = TARGET6,
    hopLimit = 64,
  } = {},
): Bytes {
  return bytes(
    [0x60, 0, 0, 0],
    u16(payloadLength),
    [nextHeader, hopLimit],
    source,
    destination,
    payload,
  );
}

/** An IPv6 extension header with a length field of `field`, (field + 1) * 8 bytes long. */
export function extension(nextHeader: number, field = 0): Bytes {
  return bytes([nextHeader, field], Array((field + 1) * 8 - 2).fill(0));
}

/** An IPv6 fragment header (RFC 8200, section 4.5); `offset` counts units of 8 bytes. */
export function fragmentHeader(nextHeader: number, offset: number, more: boolean): Bytes {
  return bytes([nextHeader, 0xff], u16(offset << 3 | (more ? 1 : 0)), [0, 0, 0, 7]);
}

/** An IPv6 authentication header (RFC 4302) of `(field + 2) * 4` bytes. */
export function authentication(nextHeader: number, field = 4): Bytes {
  return bytes([nextHeader, field], Array((field + 2) * 4 - 2).fill(0));
}

/** An Ethernet frame with VLAN tags of the given EtherTypes before `type`. */
export function ethernet(payload: Uint8Array, type = 0x0800, tags: number[] = []): Bytes {
  return bytes(
    [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9],
    ...tags.map((tag) => [...u16(tag), 0, 7]),
    u16(type),
    payload,
  );
}

/** A Linux cooked frame, version 1 (LINKTYPE_LINUX_SLL). */
export function cooked(payload: Uint8Array, type = 0x0800): Bytes {
  return bytes(u16(0), u16(1), u16(6), Array(8).fill(0), u16(type), payload);
}

/** A Linux cooked frame, version 2 (LINKTYPE_LINUX_SLL2). */
export function cooked2(payload: Uint8Array, type = 0x0800): Bytes {
  return bytes(u16(type), u16(0), [0, 0, 0, 2], u16(1), [0, 6], Array(8).fill(0), payload);
}

/** The link types that carry frames, with a builder of each. */
export const LINKS: [
  name: string,
  linkType: number,
  build: (ip: Uint8Array, type: number) => Bytes,
][] = [
  ["Ethernet", LinkType.Ethernet, (ip, type) => ethernet(ip, type)],
  ["802.1Q", LinkType.Ethernet, (ip, type) => ethernet(ip, type, [0x8100])],
  ["QinQ", LinkType.Ethernet, (ip, type) => ethernet(ip, type, [0x88a8, 0x8100])],
  ["Linux cooked", LinkType.LinuxCooked, cooked],
  ["Linux cooked 2", LinkType.LinuxCooked2, cooked2],
  ["raw IP", LinkType.Raw, (ip) => bytes(ip)],
  ["raw IP (DLT 12)", LinkType.RawBsd, (ip) => bytes(ip)],
  [
    "BSD null, little-endian",
    LinkType.Null,
    (ip, type) => bytes([type === 0x0800 ? 2 : 30, 0, 0, 0], ip),
  ],
  ["BSD loop", LinkType.Loop, (ip, type) => bytes([0, 0, 0, type === 0x0800 ? 2 : 24], ip)],
];
