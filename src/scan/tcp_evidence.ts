/**
 * What the TCP segments of each scan say of its tool.
 *
 * @module
 */
import { int32 } from "../packet/bytes.ts";
import type { Headers } from "../packet/headers.ts";
import type { Packet } from "../packet/packet.ts";
import { areNmapNumbers, unicornscanKey } from "./relations.ts";
import { Sign, tcpSign } from "./signatures.ts";
import { agree, COUNT_LIMIT, NMAP_TTL_SPREAD } from "./agreement.ts";
import { ScanType, scanTypeOf, Tool } from "./tool.ts";

/** Counts of an entry: its packets by {@link Sign}, and behind those what pairs of them have shown. */
const Count = {
  Packets: 9,
  /** Neighbours with the same key of unicornscan's. */
  UnicornscanPairs: 10,
  /** Neighbours that are shaped like nmap's, and those of them whose numbers are nmap's. */
  NmapPairs: 11,
  NmapRelated: 12,
} as const;
const COUNTS = 13;

/** Typed arrays, one place an entry. */
export class TcpEvidence {
  readonly #counts: Uint16Array;
  /** Of the packet before: */
  readonly #keys: Int32Array;
  readonly #ports: Int32Array;
  /** Of the one before that was shaped like nmap's: */
  readonly #numbers: Int32Array;
  /** Times to live of those that stand for themselves. */
  readonly #leastTtl: Uint8Array;
  readonly #mostTtl: Uint8Array;
  /** The scan that most are of, by Boyer and Moore's vote. */
  readonly #scanTypes: Uint8Array;
  readonly #votes: Uint16Array;

  constructor(entries: number) {
    this.#counts = new Uint16Array(entries * COUNTS);
    this.#keys = new Int32Array(entries);
    this.#ports = new Int32Array(entries);
    this.#numbers = new Int32Array(entries);
    this.#leastTtl = new Uint8Array(entries).fill(255);
    this.#mostTtl = new Uint8Array(entries);
    this.#scanTypes = new Uint8Array(entries);
    this.#votes = new Uint16Array(entries);
  }

  reset(entry: number): void {
    // In a flood this is done for every packet, most often of an entry that had no segment.
    if (this.packets(entry) === 0) return;
    for (let i = entry * COUNTS; i < (entry + 1) * COUNTS; i++) this.#counts[i] = 0;
    this.#leastTtl[entry] = 255;
    this.#mostTtl[entry] = 0;
    this.#votes[entry] = 0;
  }

  /** Segments that were looked at. */
  packets(entry: number): number {
    return this.#counts[entry * COUNTS + Count.Packets];
  }

  /** Takes a segment; behind the first 65,535, nothing new is to be learnt. */
  note(entry: number, packet: Packet, headers: Headers): void {
    const at = entry * COUNTS;
    if (this.#counts[at + Count.Packets] === COUNT_LIMIT) return;
    const sign = tcpSign(packet, headers);
    const ports = packet.destinationPort << 16 | packet.sourcePort;
    this.#noteUnicornscan(entry, packet, headers, ports);
    if (sign === Sign.NmapShape || sign === Sign.NmapAlone) {
      this.#noteNmap(entry, packet, headers, ports);
    }
    if (sign === Sign.NmapAlone) {
      this.#leastTtl[entry] = Math.min(this.#leastTtl[entry], headers.ttl);
      this.#mostTtl[entry] = Math.max(this.#mostTtl[entry], headers.ttl);
    }
    this.#counts[at + sign]++;
    this.#counts[at + Count.Packets]++;
    this.#ports[entry] = ports;
  }

  /**
   * A pair is of two source ports: unicornscan picks each at random. A segment that is sent again would
   * have the same key, and so would those of an old system whose sequence numbers step by 65,536, as
   * the target's port does by one.
   */
  #noteUnicornscan(entry: number, packet: Packet, headers: Headers, ports: number): void {
    const address = packet.version === 4 ? int32(packet.destination, 0) : 0;
    const key = unicornscanKey(headers.sequence, address, ports);
    const at = entry * COUNTS;
    if (
      packet.version === 4 && this.#counts[at + Count.Packets] > 0 &&
      this.#keys[entry] === key && ((this.#ports[entry] ^ ports) & 0xffff) !== 0
    ) this.#counts[at + Count.UnicornscanPairs]++;
    this.#keys[entry] = key;
  }

  #noteNmap(entry: number, packet: Packet, headers: Headers, ports: number): void {
    const at = entry * COUNTS;
    // One of the two is zero.
    const number = headers.sequence | headers.acknowledgement;
    const before = this.#counts[at + Sign.NmapShape] + this.#counts[at + Sign.NmapAlone];
    if (before > 0 && (this.#ports[entry] !== ports || this.#numbers[entry] !== number)) {
      this.#counts[at + Count.NmapPairs]++;
      if (areNmapNumbers(this.#numbers[entry], number)) this.#counts[at + Count.NmapRelated]++;
    }
    this.#numbers[entry] = number;
    this.#vote(entry, scanTypeOf(packet.tcpFlags));
  }

  #vote(entry: number, type: ScanType): void {
    if (this.#votes[entry] === 0) this.#scanTypes[entry] = type;
    if (this.#scanTypes[entry] === type) this.#votes[entry]++;
    else this.#votes[entry]--;
  }

  /** The tool that most of the segments speak for. */
  toolOf(entry: number): Tool {
    const at = entry * COUNTS;
    const counts = this.#counts;
    const packets = counts[at + Count.Packets];
    const pairs = counts[at + Count.UnicornscanPairs];
    if (pairs > 0 && agree(pairs + 1, packets)) return Tool.Unicornscan;
    if (agree(counts[at + Sign.Mirai], packets)) return Tool.Mirai;
    if (agree(counts[at + Sign.Masscan], packets)) return Tool.Masscan;
    if (agree(counts[at + Sign.Zmap], packets)) return Tool.Zmap;
    if (agree(counts[at + Sign.Hping], packets)) return Tool.Hping;
    if (agree(this.#nmapPackets(entry), packets)) return Tool.Nmap;
    return agree(counts[at + Sign.Stack], packets) ? Tool.Connect : Tool.Unknown;
  }

  /** Those that speak for nmap: the shape alone does not, as others imitate it. */
  #nmapPackets(entry: number): number {
    const at = entry * COUNTS;
    const counts = this.#counts;
    const alone = counts[at + Sign.NmapAlone];
    const shaped = alone + counts[at + Sign.NmapShape];
    const pairs = counts[at + Count.NmapPairs];
    const related = counts[at + Count.NmapRelated];
    // Host discovery has a mask of its own, and so has each of several runs.
    const sameRun = related > 0 && related * 2 >= pairs;
    const spread = this.#mostTtl[entry] - this.#leastTtl[entry];
    const byThemselves = alone === shaped && (pairs === 0 || spread >= NMAP_TTL_SPREAD);
    return counts[at + Sign.NmapOs] + (sameRun || byThemselves ? shaped : 0);
  }

  /** Which of nmap's scans it is, if it is nmap. */
  scanTypeOf(entry: number): ScanType {
    return this.#votes[entry] === 0 ? ScanType.None : this.#scanTypes[entry] as ScanType;
  }

  /** Whether there was a probe of nmap -O. */
  hasOsProbes(entry: number): boolean {
    return this.#counts[entry * COUNTS + Sign.NmapOs] > 0;
  }
}
