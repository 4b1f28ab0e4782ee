/**
 * TCP, UDP and ICMP headers.
 *
 * @module
 */
import { uint16 } from "./bytes.ts";
import { IcmpType, type Packet, Protocol, Reject } from "./packet.ts";

/** Offsets in a TCP header. */
export const TCP = {
  SOURCE_PORT: 0,
  DESTINATION_PORT: 2,
  SEQUENCE: 4,
  ACKNOWLEDGEMENT: 8,
  DATA_OFFSET: 12,
  FLAGS: 13,
  WINDOW: 14,
  LENGTH: 20,
} as const; // RFC 9293, section 3.1
/** Offsets in a UDP header. */
export const UDP = { SOURCE_PORT: 0, DESTINATION_PORT: 2, DATAGRAM_LENGTH: 4, LENGTH: 8 } as const; // RFC 768
/** Of ICMP's requests: type, code, checksum, identifier, sequence number. */
const ICMP_LENGTH = 8; // RFC 792, RFC 950, RFC 4443, section 4.1
/** ICMPv6's own numbers (IANA). */
export const ICMPV6 = { PROTOCOL: 58, ECHO_REQUEST: 128 } as const;

/**
 * Decodes the transport header between `start` and `end`.
 *
 * @returns whether `packet` holds a segment or datagram; if not, `packet.reject` says why
 */
export function decodeTransport(
  bytes: Uint8Array,
  start: number,
  end: number,
  protocol: number,
  packet: Packet,
): boolean {
  if (protocol === Protocol.Tcp) return decodeTcp(bytes, start, end, packet);
  if (protocol === Protocol.Udp) return decodeUdp(bytes, start, end, packet);
  // Each belongs to one version of IP: the kernel drops it in the other one.
  if (protocol === (packet.version === 4 ? Protocol.Icmp : ICMPV6.PROTOCOL)) {
    return decodeIcmp(bytes, start, end, packet);
  }
  packet.reject = Reject.NotTcpOrUdp;
  return false;
}

function decodeTcp(bytes: Uint8Array, start: number, end: number, packet: Packet): boolean {
  if (end - start < TCP.LENGTH) {
    packet.reject = Reject.ShortTcpHeader;
    return false;
  }
  const headerLength = (bytes[start + TCP.DATA_OFFSET] >> 4) * 4;
  if (headerLength < TCP.LENGTH) {
    packet.reject = Reject.BadTcpHeader;
    return false;
  }
  if (end - start < headerLength) {
    packet.reject = Reject.ShortTcpHeader;
    return false;
  }
  packet.protocol = Protocol.Tcp;
  packet.transportStart = start;
  packet.sourcePort = uint16(bytes, start + TCP.SOURCE_PORT);
  packet.destinationPort = uint16(bytes, start + TCP.DESTINATION_PORT);
  packet.tcpFlags = bytes[start + TCP.FLAGS];
  packet.reject = Reject.None;
  return true;
}

function decodeUdp(bytes: Uint8Array, start: number, end: number, packet: Packet): boolean {
  if (end - start < UDP.LENGTH) {
    packet.reject = Reject.ShortUdpHeader;
    return false;
  }
  // Zero stands for a jumbogram's length (RFC 2675, section 4); it cannot be shorter than the header.
  const length = uint16(bytes, start + UDP.DATAGRAM_LENGTH);
  if (length !== 0 && length < UDP.LENGTH) {
    packet.reject = Reject.BadUdpHeader;
    return false;
  }
  packet.protocol = Protocol.Udp;
  packet.transportStart = start;
  packet.sourcePort = uint16(bytes, start + UDP.SOURCE_PORT);
  packet.destinationPort = uint16(bytes, start + UDP.DESTINATION_PORT);
  packet.tcpFlags = 0;
  packet.reject = Reject.None;
  return true;
}

/** Answers, errors and what else ICMP carries are no packets of interest. */
function decodeIcmp(bytes: Uint8Array, start: number, end: number, packet: Packet): boolean {
  if (end - start < ICMP_LENGTH) {
    packet.reject = Reject.ShortIcmpHeader;
    return false;
  }
  const type = requestOf(packet.version, bytes[start]);
  if (type === undefined) {
    packet.reject = Reject.NotTcpOrUdp;
    return false;
  }
  packet.protocol = Protocol.Icmp;
  packet.transportStart = start;
  packet.icmpType = type;
  packet.sourcePort = packet.destinationPort = packet.tcpFlags = 0;
  packet.reject = Reject.None;
  return true;
}

function requestOf(version: number, type: number): IcmpType | undefined {
  if (version === 6) return type === ICMPV6.ECHO_REQUEST ? IcmpType.Echo : undefined;
  return type === IcmpType.Echo || type === IcmpType.Timestamp || type === IcmpType.AddressMask
    ? type
    : undefined;
}
