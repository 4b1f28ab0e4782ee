/**
 * A probe as it is told: the boundary between the reused packet and everything that outlives it.
 *
 * @module
 */
import { Verdict } from "../detector/verdict.ts";
import { formatAddress } from "../packet/address.ts";
import {
  IcmpType,
  IpOptions,
  type Packet,
  Protocol,
  sameAddress,
  TcpFlag,
} from "../packet/packet.ts";
import { UNKNOWN_TOOL } from "./scan_summary.ts";

/** How ports are watched. */
export type Mode = "stealth" | "connect";

/** `ICMP` stands for ICMPv6 as well. */
export type EventProtocol = "TCP" | "UDP" | "ICMP";

/** A check's outcome; `unset` when an earlier check ended the matter. */
export type Flag = "true" | "false" | "unset";

/** The four flags at the end of an event's line. */
export interface EventFlags {
  readonly ignored: Flag;
  readonly triggered: Flag;
  readonly noblock: Flag;
  readonly blocked: Flag;
}

/** One probe and what came of it. */
export interface ScanEvent {
  /** When the packet was captured, in milliseconds since 1970. */
  readonly timeMs: number;
  /** How the probe was seen. */
  readonly mode: Mode;
  /** Source address as text. */
  readonly source: string;
  /** Destination address as text. */
  readonly destination: string;
  readonly protocol: EventProtocol;
  /** The port that the packet came from; 0 for ICMP. */
  readonly sourcePort: number;
  /** The port that it went to; 0 for ICMP. */
  readonly port: number;
  /** Such as `TCP SYN/Normal scan`. */
  readonly type: string;
  readonly ipOptions: "set" | "not set" | "unknown";
  readonly verdict: Verdict;
  readonly flags: EventFlags;
  /** The tool of the source's scan, as far as its packets tell when the event is told. */
  tool: string;
}

const FLAGS: Record<Verdict, EventFlags> = {
  [Verdict.Ignored]: {
    ignored: "true",
    triggered: "unset",
    noblock: "unset",
    blocked: "unset",
  },
  [Verdict.BelowTrigger]: {
    ignored: "false",
    triggered: "false",
    noblock: "unset",
    blocked: "unset",
  },
  [Verdict.SameHost]: { ignored: "true", triggered: "true", noblock: "true", blocked: "false" },
  [Verdict.LogOnly]: { ignored: "false", triggered: "true", noblock: "true", blocked: "false" },
  // Until it is known what came of the response.
  [Verdict.Respond]: { ignored: "false", triggered: "true", noblock: "false", blocked: "unset" },
};

const IP_OPTIONS = {
  [IpOptions.NotSet]: "not set",
  [IpOptions.Set]: "set",
  [IpOptions.Unknown]: "unknown",
} as const;

const PROTOCOLS: Record<Protocol, EventProtocol> = {
  [Protocol.Icmp]: "ICMP",
  [Protocol.Tcp]: "TCP",
  [Protocol.Udp]: "UDP",
};

const ICMP_TYPES: Record<IcmpType, string> = {
  [IcmpType.Echo]: "ICMP echo request",
  [IcmpType.Timestamp]: "ICMP timestamp request",
  [IcmpType.AddressMask]: "ICMP address mask request",
};

/** Copies what is told of a packet out of the reused record. */
export function scanEvent(
  packet: Packet,
  verdict: Verdict,
  mode: Mode,
  tool = UNKNOWN_TOOL,
): ScanEvent {
  return {
    timeMs: packet.timeMs,
    mode,
    source: formatAddress(packet.version, packet.source),
    destination: destinationOf(packet),
    protocol: PROTOCOLS[packet.protocol],
    sourcePort: packet.sourcePort,
    port: packet.destinationPort,
    type: typeOf(packet, mode),
    ipOptions: IP_OPTIONS[packet.ipOptions],
    verdict,
    flags: FLAGS[verdict],
    tool,
  };
}

const lastDestination = { version: 0, bytes: new Uint8Array(16), text: "" };

/** Nearly every packet goes to the address the one before went to. */
function destinationOf({ version, destination }: Packet): string {
  const last = lastDestination;
  if (last.version !== version || !sameAddress(version, last.bytes, destination)) {
    last.version = version;
    last.bytes.set(destination);
    last.text = formatAddress(version, destination);
  }
  return last.text;
}

function typeOf(packet: Packet, mode: Mode): string {
  if (mode === "connect") return "Connect";
  if (packet.protocol === Protocol.Tcp) return tcpScanType(packet.tcpFlags);
  return packet.protocol === Protocol.Udp ? "UDP" : ICMP_TYPES[packet.icmpType];
}

const { Fin, Syn, Rst, Psh, Ack, Urg } = TcpFlag;
const SIX_FLAGS = Fin | Syn | Rst | Psh | Ack | Urg;

/** The name of the scan that sends segments with these flags; ECE and CWR say nothing about it. */
export function tcpScanType(tcpFlags: number): string {
  const flags = tcpFlags & SIX_FLAGS;
  const xmas = Fin | Urg | Psh;
  if (tcpFlags === 0) return "TCP NULL scan";
  if ((flags & xmas) === xmas) return "TCP XMAS scan";
  if (flags === Fin) return "TCP FIN scan";
  if (flags === Syn) return "TCP SYN/Normal scan";
  // nmap's window scan sends the same segment, and looks at the answer in another way.
  if (flags === Ack) return "TCP ACK scan";
  if (flags === (Fin | Ack)) return "TCP Maimon scan";
  const bit = (flag: number) => (flags & flag) === 0 ? 0 : 1;
  return `Unknown Type: TCP Packet Flags: SYN: ${bit(Syn)} FIN: ${bit(Fin)} ACK: ${bit(Ack)} ` +
    `PSH: ${bit(Psh)} URG: ${bit(Urg)} RST: ${bit(Rst)}`;
}
