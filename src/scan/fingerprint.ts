/**
 * Which tool scans, from the headers of its packets alone.
 *
 * A packet is looked at by itself (signatures.ts) and beside the one before it (relations.ts). What is
 * seen is counted, and the name is made of the counts when somebody asks: four of five packets must
 * agree, as an address may be shared with somebody who browses. Who writes packets by hand can look
 * like anything; the one promise is that an ordinary connect(2) is never called a tool.
 *
 * @module
 */
import { Headers } from "../packet/headers.ts";
import { type Packet, Protocol } from "../packet/packet.ts";
import { TcpEvidence } from "./tcp_evidence.ts";
import { nmapName, ScanType, Tool, toolName } from "./tool.ts";
import { UdpEvidence } from "./udp_evidence.ts";

/** A part of a scan that is smaller than one of so many does not name the tool of the whole. */
const LEAST_PART = 5;

/** What the packets of each scan say of the tool that made them, in a fixed amount of memory. */
export class Fingerprints {
  readonly #tcp: TcpEvidence;
  readonly #udp: UdpEvidence;
  readonly #headers = new Headers();

  /** @param entries scans at once; whoever keeps the table of them gives them their numbers */
  constructor(entries: number) {
    this.#tcp = new TcpEvidence(entries);
    this.#udp = new UdpEvidence(entries);
  }

  /** Forgets what an entry's packets said: it belongs to another scan from now on. */
  reset(entry: number): void {
    this.#tcp.reset(entry);
    this.#udp.reset(entry);
  }

  /** Takes one more packet of an entry's scan: the one that was decoded last. Allocates nothing. */
  note(entry: number, packet: Packet): void {
    const headers = this.#headers;
    if (!headers.read(packet)) return;
    if (packet.protocol === Protocol.Tcp) this.#tcp.note(entry, packet, headers);
    else if (packet.protocol === Protocol.Udp) this.#udp.note(entry, packet, headers);
  }

  /**
   * The tool that the packets so far speak for.
   *
   * @returns such as `nmap SYN`, `masscan`, `connect` for an ordinary system, or `unknown`
   */
  toolOf(entry: number): string {
    const tcp = this.#tcp.toolOf(entry);
    const datagrams = this.#udp.packets(entry);
    const udp = datagrams === 0 ? Tool.Unknown : this.#udp.toolOf(entry);
    const tool = combine(tcp, this.#tcp.packets(entry), udp, datagrams);
    if (tool !== Tool.Nmap) return toolName(tool);
    return nmapName(
      tcp === Tool.Nmap ? this.#tcp.scanTypeOf(entry) : ScanType.None,
      udp === Tool.Nmap && this.#udp.hasScan(entry),
      this.#tcp.hasOsProbes(entry) || this.#udp.hasOsProbes(entry),
    );
  }
}

/** One tool of what the segments and the datagrams of a scan say. */
function combine(tcp: Tool, segments: number, udp: Tool, datagrams: number): Tool {
  if (datagrams === 0 || tcp === udp) return tcp;
  if (segments === 0) return udp;
  const packets = segments + datagrams;
  // Datagrams rarely say anything, and nothing against what the segments say.
  if (udp === Tool.Unknown) return segments * LEAST_PART >= packets ? tcp : Tool.Unknown;
  // A tool's datagrams and a system's segments: nmap -sT -sU, for one.
  const plain = tcp === Tool.Unknown || tcp === Tool.Connect;
  return plain && datagrams * LEAST_PART >= packets ? udp : Tool.Unknown;
}
