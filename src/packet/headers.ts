/**
 * What few want to know of a packet's headers. It is read when they ask, so that a decode, which
 * everybody pays for, does no more than it must.
 *
 * @module
 */
import { int32, uint16 } from "./bytes.ts";
import { IPV4, IPV4_DONT_FRAGMENT, IPV6 } from "./ip.ts";
import { type Packet, Protocol } from "./packet.ts";
import { TcpOptions } from "./tcp_options.ts";
import { TCP, UDP } from "./transport.ts";

/** Further fields of one packet; every one is overwritten by the next {@link Headers.read}. */
export class Headers {
  /** IPv4's time to live, IPv6's hop limit. */
  ttl = 0;
  /** IPv4's identification; 0 for IPv6, which has none. */
  ipId = 0;
  /** Whether IPv4 forbids fragments; true of IPv6, which routers never fragment. */
  dontFragment = false;
  /** TCP's sequence number: 32 bits, with a sign. This and all else of TCP is 0 for what is not TCP. */
  sequence = 0;
  /** TCP's acknowledgement number, like {@link sequence}. */
  acknowledgement = 0;
  /** TCP's window, as the header has it. */
  window = 0;
  /** TCP's options; none for UDP. */
  readonly options = new TcpOptions();
  /**
   * Bytes behind the transport header, as IP (for TCP) and UDP say: more than a cut frame holds. Not
   * known, -1, where offloading or a jumbogram left the length open.
   */
  payloadLength = 0;

  /**
   * Reads the headers of the packet that was decoded last.
   *
   * @returns false when it came without headers: in connect mode
   */
  read({ frame, version, protocol, ipStart, transportStart }: Packet): boolean {
    if (frame.length === 0) return false;
    if (version === 4) this.#readIpv4(frame, ipStart);
    else this.#readIpv6(frame, ipStart);
    if (protocol === Protocol.Tcp) {
      const length = ipLength(frame, version, ipStart);
      this.#readTcp(frame, transportStart, length === 0 ? 0 : ipStart + length - transportStart);
    } else this.#clearTcp();
    if (protocol === Protocol.Udp) this.#readUdp(frame, transportStart);
    return true;
  }

  #readIpv4(frame: Uint8Array, start: number): void {
    this.ttl = frame[start + IPV4.TIME_TO_LIVE];
    this.ipId = uint16(frame, start + IPV4.IDENTIFICATION);
    this.dontFragment = (uint16(frame, start + IPV4.FRAGMENT) & IPV4_DONT_FRAGMENT) !== 0;
  }

  #readIpv6(frame: Uint8Array, start: number): void {
    this.ttl = frame[start + IPV6.HOP_LIMIT];
    this.ipId = 0;
    this.dontFragment = true;
  }

  #readTcp(frame: Uint8Array, start: number, length: number): void {
    const headerLength = (frame[start + TCP.DATA_OFFSET] >> 4) * 4;
    this.sequence = int32(frame, start + TCP.SEQUENCE);
    this.acknowledgement = int32(frame, start + TCP.ACKNOWLEDGEMENT);
    this.window = uint16(frame, start + TCP.WINDOW);
    this.options.read(frame, start + TCP.LENGTH, start + headerLength);
    this.payloadLength = length === 0 ? -1 : length - headerLength;
  }

  #clearTcp(): void {
    this.sequence = 0;
    this.acknowledgement = 0;
    this.window = 0;
    this.options.clear();
    this.payloadLength = 0;
  }

  #readUdp(frame: Uint8Array, start: number): void {
    const length = uint16(frame, start + UDP.DATAGRAM_LENGTH);
    this.payloadLength = length === 0 ? -1 : length - UDP.LENGTH;
  }
}

/** Bytes from the IP header on, as that says; 0 where it leaves that open. */
function ipLength(frame: Uint8Array, version: number, start: number): number {
  if (version === 4) return uint16(frame, start + IPV4.TOTAL_LENGTH);
  const payloadLength = uint16(frame, start + IPV6.PAYLOAD_LENGTH);
  return payloadLength === 0 ? 0 : IPV6.LENGTH + payloadLength;
}
