/**
 * What the kernel is to hand over: pcap-filter(7) expressions for probes of this host.
 *
 * @module
 */
import { clearHostBits } from "../config/network.ts";
import type { PortRange, PortSet } from "../config/ports.ts";
import { FILTER_PORT_RANGES } from "../limits.ts";
import { Extension } from "../packet/ip.ts";
import { formatAddress } from "../packet/address.ts";
import { IcmpType, Protocol } from "../packet/packet.ts";
import { ICMPV6 } from "../packet/transport.ts";
import type { WatchedPorts } from "./frame_source.ts";
import type { OwnNetwork } from "./interfaces.ts";

/** The two captures of a device: nearly all probes need few bytes, a few need all of them. */
export interface CaptureFilters {
  /** Probes whose headers are short, and IPv4 first fragments, in case they hold a whole header. */
  headers: string;
  /** IPv6 packets with extension headers, which only the decoder can walk. */
  extensions: string;
}

/**
 * Neither ACK nor RST (RFC 9293, section 3.1); `tcp[13]` knows IPv4 only. A read past the end of a
 * packet rejects it, whatever the rest of the expression says: the protocol has to be asked first.
 */
const NO_ACK_NO_RST = `((ip and tcp[13] & 0x14 = 0) or ` +
  `(ip6 and ip6[6] = ${Protocol.Tcp} and ip6[53] & 0x14 = 0))`;
/** Besides those, ACK without SYN, for DETECT="extended": a SYN+ACK is an answer. */
const NO_ANSWER = `((ip and tcp[13] & 0x04 = 0 and tcp[13] & 0x12 != 0x12) or ` +
  `(ip6 and ip6[6] = ${Protocol.Tcp} and ip6[53] & 0x04 = 0 and ip6[53] & 0x12 != 0x12))`;
const PING = `((ip and (${
  Object.values(IcmpType).map((type) => `icmp[0] = ${type}`).join(" or ")
})) or (ip6 and ip6[6] = ${ICMPV6.PROTOCOL} and ip6[40] = ${ICMPV6.ECHO_REQUEST}))`;
/** Matches no packet, but does not look so. */
const NOTHING = "len = 0";
/** A first fragment with more to come: "more fragments" set, offset zero (RFC 791, section 3.1). */
const FIRST_FRAGMENT =
  `(ip[6:2] & 0x3fff = 0x2000 and (ip[9] = ${Protocol.Tcp} or ip[9] = ${Protocol.Udp}))`;
/** Of a ping that is too long for one packet. */
const FIRST_OF_PING = `(ip[6:2] & 0x3fff = 0x2000 and ip[9] = ${Protocol.Icmp})`;

/**
 * Builds the filters for a device. They may let more pass than is a probe, but nothing less: the
 * detector has the last word.
 *
 * @param addresses at least one
 */
export function captureFilters(
  addresses: readonly OwnNetwork[],
  { tcpPorts, udpPorts, detect }: WatchedPorts,
): CaptureFilters {
  const own = ownAddresses(addresses);
  const extended = detect === "extended";
  const probes = extended ? [FIRST_FRAGMENT, FIRST_OF_PING, PING] : [FIRST_FRAGMENT];
  const tcp = anyPort("tcp", tcpPorts);
  if (tcp) probes.push(`(${extended ? NO_ANSWER : NO_ACK_NO_RST} and ${tcp})`);
  const udp = anyPort("udp", udpPorts);
  if (udp) probes.push(udp);
  const extension = Object.values(Extension).map((header) => `ip6[6] = ${header}`);
  return {
    headers: `${own} and (${probes.join(" or ")})`,
    // libpcap refuses what it sees can match nothing, and no address of IPv6 would be such a thing.
    extensions: addresses.some(({ address }) => address.length === 16)
      ? `ip6 and ${own} and (${extension.join(" or ")})`
      : NOTHING,
  };
}

function ownAddresses(addresses: readonly OwnNetwork[]): string {
  return `(${addresses.map(addressTerm).join(" or ")})`;
}

function addressTerm({ address, prefix }: OwnNetwork): string {
  const version = address.length === 4 ? 4 : 6;
  return prefix === address.length * 8
    ? `dst host ${formatAddress(version, address)}`
    : `dst net ${formatAddress(version, clearHostBits(address, prefix))}/${prefix}`;
}

function anyPort(protocol: "tcp" | "udp", ports: PortSet): string {
  const each = ports.covering(FILTER_PORT_RANGES).map((range) => portTerm(protocol, range));
  return each.length > 0 ? `(${each.join(" or ")})` : "";
}

function portTerm(protocol: string, { first, last }: PortRange): string {
  return first === last
    ? `${protocol} dst port ${first}`
    : `${protocol} dst portrange ${first}-${last}`;
}
