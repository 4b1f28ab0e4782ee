/**
 * What the UDP datagrams of each scan say of its tool. One says next to nothing: all but zmap and
 * nmap -O are known by what they do from one datagram to the next.
 *
 * @module
 */
import type { Headers } from "../packet/headers.ts";
import type { Packet } from "../packet/packet.ts";
import { agree, COUNT_LIMIT, NMAP_TTL_SPREAD } from "./agreement.ts";
import { Sign, STACKS_MOST_TTL, udpSign } from "./signatures.ts";
import { Tool } from "./tool.ts";

/** Counts of an entry: its packets by {@link Sign}, and behind those what pairs of them have shown. */
const Count = { Packets: 9, HpingPairs: 10, MasscanPairs: 11, SamePort: 12 } as const;
const COUNTS = 13;

const HPING_MOST_TTL = 64; // where it starts
/** masscan's source port, unless it is told one: one for the whole run. */
const MASSCAN_PORTS = { FIRST: 40_000, LAST: 59_999 } as const;
/** Systems that count their packets are this far from one to the next at most. */
const ID_STEP = 256;

const LEAST_NMAP = 3;
const LEAST_HPING_PAIRS = 2;
const LEAST_MASSCAN_PAIRS = 3;

/** Typed arrays, one place an entry. */
export class UdpEvidence {
  readonly #counts: Uint16Array;
  /** Of the datagram before: */
  readonly #sourcePorts: Uint16Array;
  readonly #ids: Uint16Array;
  /** Times to live of those that could be nmap's. */
  readonly #leastTtl: Uint8Array;
  readonly #mostTtl: Uint8Array;

  constructor(entries: number) {
    this.#counts = new Uint16Array(entries * COUNTS);
    this.#sourcePorts = new Uint16Array(entries);
    this.#ids = new Uint16Array(entries);
    this.#leastTtl = new Uint8Array(entries).fill(255);
    this.#mostTtl = new Uint8Array(entries);
  }

  reset(entry: number): void {
    // In a flood this is done for every packet, most often of an entry that had no datagram.
    if (this.packets(entry) === 0) return;
    for (let i = entry * COUNTS; i < (entry + 1) * COUNTS; i++) this.#counts[i] = 0;
    this.#leastTtl[entry] = 255;
    this.#mostTtl[entry] = 0;
  }

  /** Datagrams that were looked at. */
  packets(entry: number): number {
    return this.#counts[entry * COUNTS + Count.Packets];
  }

  /** Takes a datagram; behind the first 65,535, nothing new is to be learnt. */
  note(entry: number, packet: Packet, headers: Headers): void {
    const at = entry * COUNTS;
    if (this.#counts[at + Count.Packets] === COUNT_LIMIT) return;
    const sign = udpSign(packet, headers);
    if (sign === Sign.NmapShape) {
      this.#leastTtl[entry] = Math.min(this.#leastTtl[entry], headers.ttl);
      this.#mostTtl[entry] = Math.max(this.#mostTtl[entry], headers.ttl);
    }
    if (this.#counts[at + Count.Packets] > 0) this.#notePair(entry, packet, headers);
    this.#counts[at + sign]++;
    this.#counts[at + Count.Packets]++;
    this.#sourcePorts[entry] = packet.sourcePort;
    this.#ids[entry] = headers.ipId;
  }

  #notePair(entry: number, packet: Packet, headers: Headers): void {
    const at = entry * COUNTS;
    const { sourcePort, version } = packet;
    const step = sourcePort - this.#sourcePorts[entry] & 0xffff;
    if (step === 0) this.#counts[at + Count.SamePort]++;
    // What follows makes a number up for each packet, where systems forbid fragments or count.
    const idStep = headers.ipId - this.#ids[entry] & 0xffff;
    if (version !== 4 || headers.dontFragment || idStep < ID_STEP) return;
    if (step === 1 && headers.payloadLength === 0 && headers.ttl <= HPING_MOST_TTL) {
      this.#counts[at + Count.HpingPairs]++;
    }
    if (
      step === 0 && headers.ttl > STACKS_MOST_TTL &&
      sourcePort >= MASSCAN_PORTS.FIRST && sourcePort <= MASSCAN_PORTS.LAST
    ) this.#counts[at + Count.MasscanPairs]++;
  }

  /** The tool that most of the datagrams speak for. */
  toolOf(entry: number): Tool {
    const at = entry * COUNTS;
    const counts = this.#counts;
    const packets = counts[at + Count.Packets];
    if (agree(counts[at + Sign.Zmap], packets)) return Tool.Zmap;
    const hping = counts[at + Count.HpingPairs];
    if (hping >= LEAST_HPING_PAIRS && agree(hping + 1, packets)) return Tool.Hping;
    const masscan = counts[at + Count.MasscanPairs];
    if (masscan >= LEAST_MASSCAN_PAIRS && agree(masscan + 1, packets)) return Tool.Masscan;
    return agree(this.#nmapPackets(entry), packets) ? Tool.Nmap : Tool.Unknown;
  }

  /** Those that speak for nmap: one source port, from which the time to live leaps. */
  #nmapPackets(entry: number): number {
    const at = entry * COUNTS;
    const shaped = this.#counts[at + Sign.NmapShape];
    const spread = this.#mostTtl[entry] - this.#leastTtl[entry];
    const leaps = shaped >= LEAST_NMAP && spread >= NMAP_TTL_SPREAD &&
      this.#counts[at + Count.SamePort] * 2 >= shaped;
    return this.#counts[at + Sign.NmapOs] + (leaps ? shaped : 0);
  }

  /** Whether nmap scanned UDP, beside the one probe of nmap -O. */
  hasScan(entry: number): boolean {
    return this.#counts[entry * COUNTS + Sign.NmapShape] > 0;
  }

  /** Whether there was the probe of nmap -O. */
  hasOsProbes(entry: number): boolean {
    return this.#counts[entry * COUNTS + Sign.NmapOs] > 0;
  }
}
