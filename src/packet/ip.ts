/**
 * IPv4 and IPv6 headers, fragments and extension headers.
 *
 * @module
 */
import { uint16 } from "./bytes.ts";
import { IpOptions, type Packet, Reject } from "./packet.ts";
import { decodeTransport } from "./transport.ts";

/** Offsets in an IPv4 header. */
export const IPV4 = {
  TOTAL_LENGTH: 2,
  IDENTIFICATION: 4,
  FRAGMENT: 6,
  TIME_TO_LIVE: 8,
  PROTOCOL: 9,
  SOURCE: 12,
  DESTINATION: 16,
  LENGTH: 20,
} as const; // RFC 791, section 3.1
const IPV4_OFFSET_MASK = 0x1fff;
/** The flag among the fragment bits (RFC 791, section 3.1). */
export const IPV4_DONT_FRAGMENT = 0x4000;

/** Offsets in an IPv6 header. */
export const IPV6 = {
  PAYLOAD_LENGTH: 4,
  NEXT_HEADER: 6,
  HOP_LIMIT: 7,
  SOURCE: 8,
  DESTINATION: 24,
  LENGTH: 40,
} as const; // RFC 8200, section 3
const IPV6_FRAGMENT_OFFSET_MASK = 0xfff8; // RFC 8200, section 4.5
const EXTENSION_LEAST_LENGTH = 8;

/** IPv6 extension headers that may stand before TCP or UDP (IANA, IPv6 Extension Header Types). */
export const Extension = {
  HopByHop: 0,
  Routing: 43,
  Fragment: 44,
  Authentication: 51,
  DestinationOptions: 60,
  Mobility: 135,
  Hip: 139,
  Shim6: 140,
} as const;

/** Decodes an IP packet of either version between `start` and `end`; see {@link decodeIpv4}. */
export function decodeIp(bytes: Uint8Array, start: number, end: number, packet: Packet): boolean {
  if (end <= start) {
    packet.reject = Reject.ShortIpHeader;
    return false;
  }
  const version = bytes[start] >> 4;
  if (version === 4) return decodeIpv4(bytes, start, end, packet);
  if (version === 6) return decodeIpv6(bytes, start, end, packet);
  packet.reject = Reject.NotIp;
  return false;
}

/**
 * Decodes an IPv4 packet between `start` and `end`, where padding may follow it. Checksums are not
 * checked: the kernel drops what has wrong ones, and offloading leaves right ones unfinished.
 *
 * @returns whether `packet` holds a segment or datagram; if not, `packet.reject` says why
 */
export function decodeIpv4(bytes: Uint8Array, start: number, end: number, packet: Packet): boolean {
  if (end - start < IPV4.LENGTH) {
    packet.reject = Reject.ShortIpHeader;
    return false;
  }
  const headerLength = (bytes[start] & 0x0f) * 4;
  // Zero is how segmentation offload writes a length that does not fit into 16 bits.
  const totalLength = uint16(bytes, start + IPV4.TOTAL_LENGTH) || end - start;
  if (bytes[start] >> 4 !== 4 || headerLength < IPV4.LENGTH || totalLength < headerLength) {
    packet.reject = Reject.BadIpHeader;
    return false;
  }
  if (end - start < headerLength) {
    packet.reject = Reject.ShortIpHeader;
    return false;
  }
  if ((uint16(bytes, start + IPV4.FRAGMENT) & IPV4_OFFSET_MASK) !== 0) {
    packet.reject = Reject.LaterFragment;
    return false;
  }
  packet.version = 4;
  packet.ipOptions = headerLength > IPV4.LENGTH ? IpOptions.Set : IpOptions.NotSet;
  // A buffer is reused for thousands of frames: to look is cheaper than to write a reference.
  if (packet.frame !== bytes) packet.frame = bytes;
  packet.ipStart = start;
  for (let i = 0; i < 4; i++) {
    packet.source[i] = bytes[start + IPV4.SOURCE + i];
    packet.destination[i] = bytes[start + IPV4.DESTINATION + i];
  }
  return decodeTransport(
    bytes,
    start + headerLength,
    Math.min(end, start + totalLength),
    bytes[start + IPV4.PROTOCOL],
    packet,
  );
}

/** Decodes an IPv6 packet and the extension headers before its transport; see {@link decodeIpv4}. */
export function decodeIpv6(bytes: Uint8Array, start: number, end: number, packet: Packet): boolean {
  if (end - start < IPV6.LENGTH) {
    packet.reject = Reject.ShortIpHeader;
    return false;
  }
  if (bytes[start] >> 4 !== 6) {
    packet.reject = Reject.BadIpHeader;
    return false;
  }
  packet.version = 6;
  packet.ipOptions = IpOptions.Unknown;
  if (packet.frame !== bytes) packet.frame = bytes;
  packet.ipStart = start;
  for (let i = 0; i < 16; i++) {
    packet.source[i] = bytes[start + IPV6.SOURCE + i];
    packet.destination[i] = bytes[start + IPV6.DESTINATION + i];
  }
  const headerEnd = start + IPV6.LENGTH;
  // Zero stands for a jumbogram, whose length is in a hop-by-hop option (RFC 2675, section 3).
  const payloadLength = uint16(bytes, start + IPV6.PAYLOAD_LENGTH) || end - headerEnd;
  return decodeExtensions(
    bytes,
    headerEnd,
    Math.min(end, headerEnd + payloadLength),
    bytes[start + IPV6.NEXT_HEADER],
    packet,
  );
}

/** Walks the chain of extension headers. Each is 8 bytes at least, so `end` bounds the walk. */
function decodeExtensions(
  bytes: Uint8Array,
  start: number,
  end: number,
  firstHeader: number,
  packet: Packet,
): boolean {
  let offset = start;
  let header = firstHeader;
  while (isExtension(header)) {
    const length = end - offset < EXTENSION_LEAST_LENGTH
      ? EXTENSION_LEAST_LENGTH
      : extensionLength(header, bytes[offset + 1]);
    if (end - offset < length) {
      packet.reject = Reject.ShortExtensionHeader;
      return false;
    }
    if (
      header === Extension.Fragment &&
      (uint16(bytes, offset + 2) & IPV6_FRAGMENT_OFFSET_MASK) !== 0
    ) {
      packet.reject = Reject.LaterFragment;
      return false;
    }
    header = bytes[offset];
    offset += length;
  }
  return decodeTransport(bytes, offset, end, header, packet);
}

function isExtension(header: number): boolean {
  switch (header) {
    case Extension.HopByHop:
    case Extension.Routing:
    case Extension.Fragment:
    case Extension.Authentication:
    case Extension.DestinationOptions:
    case Extension.Mobility:
    case Extension.Hip:
    case Extension.Shim6:
      return true;
    default:
      return false;
  }
}

/** Bytes of an extension header whose length field holds `field`. */
function extensionLength(header: number, field: number): number {
  if (header === Extension.Fragment) return 8; // RFC 8200, section 4.5: the field is reserved
  if (header === Extension.Authentication) return Math.max(8, (field + 2) * 4); // RFC 4302, section 2.2
  return (field + 1) * 8; // RFC 8200, section 4.2
}
