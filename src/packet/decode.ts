/**
 * Frames of every link type the program can meet, down to the transport header.
 *
 * A bad frame is data, not an exception: `packet.reject` says what was wrong. Nothing is allocated.
 *
 * @module
 */
import { uint16 } from "./bytes.ts";
import { decodeIp, decodeIpv4, decodeIpv6 } from "./ip.ts";
import { type Packet, Reject } from "./packet.ts";

/** Link types, as LINKTYPE_ and DLT_ number them (pcap-linktype(7)). */
export const LinkType = {
  Null: 0,
  Ethernet: 1,
  RawBsd: 12, // DLT_RAW on Linux
  RawOpenBsd: 14, // DLT_RAW on OpenBSD
  Raw: 101, // LINKTYPE_RAW
  Loop: 108,
  LinuxCooked: 113,
  Ipv4: 228,
  Ipv6: 229,
  LinuxCooked2: 276,
} as const;

const ETHERNET = { TYPE: 12, LENGTH: 14 } as const; // IEEE 802.3
const VLAN_TAG_BYTES = 4; // IEEE 802.1Q: the tag, then the type of what follows
const NULL_BYTES = 4; // pcap-linktype(7): the sender's address family number
const COOKED = { PROTOCOL: 14, LENGTH: 16 } as const; // LINKTYPE_LINUX_SLL
/** LINKTYPE_LINUX_SLL2 */
export const COOKED2 = { PROTOCOL: 0, INTERFACE: 4, LENGTH: 20 } as const;

/** EtherTypes (IANA, IEEE 802 Numbers). */
const EtherType = {
  Ipv4: 0x0800,
  Ipv6: 0x86dd,
  Vlan: 0x8100, // 802.1Q
  ServiceVlan: 0x88a8, // 802.1ad, "QinQ"
  OldServiceVlan: 0x9100, // what switches wrote before 802.1ad
} as const;

/** Whether {@link decode} knows frames of this link type. */
export function isKnownLinkType(linkType: number): boolean {
  return Object.values(LinkType).some((known) => known === linkType);
}

/**
 * Decodes the first `length` bytes of `frame` into `packet`.
 *
 * @param linkType one of {@link LinkType}
 * @returns whether `packet` holds a TCP segment, UDP datagram or ICMP request; if not, `packet.reject` says why
 */
export function decode(
  frame: Uint8Array,
  length: number,
  linkType: number,
  packet: Packet,
): boolean {
  return decodeBetween(frame, 0, length, linkType, packet);
}

/** Decodes a frame that stands among others, between `start` and `end`; see {@link decode}. */
export function decodeBetween(
  bytes: Uint8Array,
  start: number,
  end: number,
  linkType: number,
  packet: Packet,
): boolean {
  switch (linkType) {
    case LinkType.Ethernet:
      return decodeTyped(bytes, start, ETHERNET.TYPE, ETHERNET.LENGTH, end, packet);
    case LinkType.LinuxCooked:
      return decodeTyped(bytes, start, COOKED.PROTOCOL, COOKED.LENGTH, end, packet);
    case LinkType.LinuxCooked2:
      return decodeTyped(bytes, start, COOKED2.PROTOCOL, COOKED2.LENGTH, end, packet);
    case LinkType.Null:
    case LinkType.Loop:
      // The family's number differs from system to system; the IP header's own version does not.
      return decodeUntyped(bytes, start + NULL_BYTES, end, packet);
    case LinkType.RawBsd:
    case LinkType.RawOpenBsd:
    case LinkType.Raw:
      return decodeIp(bytes, start, end, packet);
    case LinkType.Ipv4:
      return decodeIpv4(bytes, start, end, packet);
    case LinkType.Ipv6:
      return decodeIpv6(bytes, start, end, packet);
    default:
      packet.reject = Reject.UnknownLinkType;
      return false;
  }
}

function decodeUntyped(bytes: Uint8Array, start: number, end: number, packet: Packet): boolean {
  if (end >= start) return decodeIp(bytes, start, end, packet);
  packet.reject = Reject.ShortLinkHeader;
  return false;
}

/** Decodes what an EtherType announces, behind any number of VLAN tags after the link's header. */
function decodeTyped(
  bytes: Uint8Array,
  linkStart: number,
  typeOffset: number,
  headerLength: number,
  end: number,
  packet: Packet,
): boolean {
  let start = linkStart + headerLength;
  if (end < start) {
    packet.reject = Reject.ShortLinkHeader;
    return false;
  }
  let type = uint16(bytes, linkStart + typeOffset);
  while (
    type === EtherType.Vlan || type === EtherType.ServiceVlan || type === EtherType.OldServiceVlan
  ) {
    if (end - start < VLAN_TAG_BYTES) {
      packet.reject = Reject.ShortLinkHeader;
      return false;
    }
    type = uint16(bytes, start + 2);
    start += VLAN_TAG_BYTES;
  }
  if (type === EtherType.Ipv4) return decodeIpv4(bytes, start, end, packet);
  if (type === EtherType.Ipv6) return decodeIpv6(bytes, start, end, packet);
  packet.reject = Reject.NotIp;
  return false;
}
