/**
 * What a frame says, once decoded. One record is reused for every frame.
 *
 * @module
 */

/** IP protocol numbers that carry probes (IANA, Assigned Internet Protocol Numbers). */
export const Protocol = { Icmp: 1, Tcp: 6, Udp: 17 } as const;
export type Protocol = typeof Protocol[keyof typeof Protocol];

/** Requests of ICMP (RFC 792, RFC 950), and ICMPv6's by the number of the same of ICMP (RFC 4443). */
export const IcmpType = { Echo: 8, Timestamp: 13, AddressMask: 17 } as const;
export type IcmpType = typeof IcmpType[keyof typeof IcmpType];

/** TCP control bits (RFC 9293, section 3.1). */
export const TcpFlag = {
  Fin: 0x01,
  Syn: 0x02,
  Rst: 0x04,
  Psh: 0x08,
  Ack: 0x10,
  Urg: 0x20,
} as const;

/** What is known of a packet's IP options. */
export const IpOptions = { NotSet: 0, Set: 1, Unknown: 2 } as const;
export type IpOptions = typeof IpOptions[keyof typeof IpOptions];

/** Why a frame gave no packet. Counted by these numbers, and named by {@link REJECT_NAMES}. */
export const Reject = {
  None: 0,
  UnknownLinkType: 1,
  ShortLinkHeader: 2,
  NotIp: 3,
  ShortIpHeader: 4,
  BadIpHeader: 5,
  LaterFragment: 6,
  ShortExtensionHeader: 7,
  NotTcpOrUdp: 8,
  ShortTcpHeader: 9,
  BadTcpHeader: 10,
  ShortUdpHeader: 11,
  BadUdpHeader: 12,
  ShortIcmpHeader: 13,
} as const;
export type Reject = typeof Reject[keyof typeof Reject];

/** What a person reads for each {@link Reject}. */
export const REJECT_NAMES: readonly string[] = [
  "none",
  "unknown link type",
  "short link header",
  "not IP",
  "short IP header",
  "bad IP header",
  "later fragment",
  "short extension header",
  "neither TCP nor UDP",
  "short TCP header",
  "bad TCP header",
  "short UDP header",
  "bad UDP header",
  "short ICMP header",
];

const NO_FRAME = new Uint8Array(0);

/** A TCP segment, UDP datagram or ICMP request; every field is overwritten by the next decode. */
export class Packet {
  /** Why the last frame gave no packet; then the other fields mean nothing. */
  reject: Reject = Reject.None;
  /** IP version, 4 or 6. */
  version = 4;
  protocol: Protocol = Protocol.Tcp;
  /** Source address in network order: 4 bytes of IPv4 or 16 of IPv6. */
  readonly source = new Uint8Array(16);
  /** Destination address, like {@link source}. */
  readonly destination = new Uint8Array(16);
  sourcePort = 0;
  destinationPort = 0;
  /** {@link TcpFlag} bits; 0 for UDP and ICMP, and ICMP has ports of 0. */
  tcpFlags = 0;
  /** For ICMP, and ICMPv6, which is {@link Protocol.Icmp} as well. */
  icmpType: IcmpType = IcmpType.Echo;
  ipOptions: IpOptions = IpOptions.NotSet;
  /**
   * The frame it was decoded from, and where its headers begin in that: what few want to know is read
   * there when they ask (see headers.ts). Empty when there were no headers: connect mode.
   */
  frame: Uint8Array = NO_FRAME;
  ipStart = 0;
  transportStart = 0;
  /** Index of the interface it came in on; 0 when that is not known. */
  interfaceIndex = 0;
  /** When it was captured, in milliseconds since 1970. */
  timeMs = 0;
  /** When it was read, on a clock that nobody sets: performance.now() of its batch. */
  readMs = 0;
}

/** Whether two addresses of the same IP version are the same. */
export function sameAddress(version: number, a: Uint8Array, b: Uint8Array): boolean {
  const length = version === 4 ? 4 : 16;
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}
