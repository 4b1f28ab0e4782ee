/**
 * Scan sessions: what each source does within SCAN_WINDOW, summed up to one scan.
 *
 * @module
 */
import { SCAN_KINDS, type ScanKind, type ScanSummary } from "../event/scan_summary.ts";
import {
  FEW_PACKETS,
  LEAST_SWEEP_MS,
  MOST_SCAN_MS,
  MOST_SWEEP_MS,
  SCAN_TARGETS,
  SCANS_A_MINUTE,
} from "../limits.ts";
import { formatAddress } from "../packet/address.ts";
import { AddressSlots } from "../packet/address_slots.ts";
import { type Packet, sameAddress } from "../packet/packet.ts";
import { Campaigns } from "./campaigns.ts";
import { Added, Marks, PORT_MARKS, portMark, portText, targetMark } from "./marks.ts";

/** Tells which tool makes the packets of a scan: `Fingerprints`, with as many entries. */
export interface ToolGuess {
  /** Forgets the packets of the entry: it belongs to another scan from now on. */
  reset(entry: number): void;
  /** Looks at one more packet of the entry's scan. Allocates nothing. */
  note(entry: number, packet: Packet): void;
  /** Such as `nmap SYN`, or `unknown`. */
  toolOf(entry: number): string;
}

/** What a tracker is made of. */
export interface ScanTrackerParts {
  /** Scans at once: a power of two, at least 8. */
  entries: number;
  /** SCAN_WINDOW: a scan has ended when its source has been quiet for longer. */
  windowMs: number;
  tools: ToolGuess;
  /** Whether a source, as text, is blocked now. */
  isBlocked: (source: string) => boolean;
  /** Takes scans that have ended. */
  onEnded: (summaries: ScanSummary[]) => void;
}

const MINUTE_MS = 60_000;
const MOST_COUNT = 0xffff_ffff;
/** Packets further apart than this, on average, are those of a slow scan. */
const SLOW_SPACING_MS = 60_000;

/**
 * A table of sources in a fixed amount of memory. A scan ends when its source has been quiet for the
 * window, after a day, when there is no room for it beside newer ones, or with the program.
 *
 * Time comes with the packets: what is told is of their own, what is quiet is of the clock that nobody
 * sets.
 */
export class ScanTracker {
  readonly #parts: ScanTrackerParts;
  readonly #slots: AddressSlots; // whose counts are the packets
  readonly #marks: Marks;
  readonly #campaigns: Campaigns;
  readonly #ports: Uint32Array;
  readonly #targets: Uint32Array;
  readonly #firstMs: Float64Array;
  readonly #lastMs: Float64Array;
  readonly #firstReadMs: Float64Array;
  readonly #lastReadMs: Float64Array;
  readonly #ownAddresses = new AddressSlots(SCAN_TARGETS);
  readonly #lastTarget = { version: 0, address: new Uint8Array(16), mark: 0 };
  readonly #endedByKind = new Float64Array(SCAN_KINDS.length);
  #ended: ScanSummary[] = [];
  #open = 0;
  #nextSweepMs = -Infinity;
  #minuteMs = -Infinity;
  #toldInMinute = 0;
  #untold = 0;
  #windowMs: number;

  constructor(parts: ScanTrackerParts) {
    const { entries, windowMs } = parts;
    this.#parts = parts;
    this.#windowMs = windowMs;
    this.#slots = new AddressSlots(entries);
    this.#marks = new Marks(entries);
    this.#campaigns = new Campaigns(this.#marks);
    this.#ports = new Uint32Array(entries);
    this.#targets = new Uint32Array(entries);
    this.#firstMs = new Float64Array(entries);
    this.#lastMs = new Float64Array(entries);
    this.#firstReadMs = new Float64Array(entries);
    this.#lastReadMs = new Float64Array(entries);
  }

  /** SCAN_WINDOW, from now on. */
  set windowMs(windowMs: number) {
    this.#windowMs = windowMs;
    this.#nextSweepMs = -Infinity;
  }

  /** Scans that have not ended. */
  get open(): number {
    return this.#open;
  }

  /** Scans that have ended and were not told because there were too many, so far. */
  get untold(): number {
    return this.#untold;
  }

  /** How often {@link expire} has something to do, in milliseconds. */
  get sweepMs(): number {
    return Math.min(MOST_SWEEP_MS, Math.max(LEAST_SWEEP_MS, this.#windowMs / 60));
  }

  /** How many scans have ended so far, told or not. */
  *endedByKind(): Iterable<[ScanKind, number]> {
    for (const [i, kind] of SCAN_KINDS.entries()) yield [kind, this.#endedByKind[i]];
  }

  /**
   * Takes a probe; allocates nothing, unless a scan ends.
   *
   * @returns the tool of its scan, as far as that can be told by now
   */
  take(packet: Packet): string {
    const { readMs, timeMs } = packet;
    const { tools } = this.#parts;
    const found = this.#slots.find(packet.version, packet.source);
    const entry = found < 0 ? ~found : found;
    if (found < 0) this.#begin(entry, packet, true);
    else if (
      readMs - this.#lastReadMs[entry] > this.#windowMs ||
      readMs - this.#firstReadMs[entry] > MOST_SCAN_MS
    ) this.#begin(entry, packet, false);
    this.#lastReadMs[entry] = readMs;
    if (timeMs > this.#lastMs[entry]) this.#lastMs[entry] = timeMs;
    this.#count(entry, packet);
    tools.note(entry, packet);
    if (this.#ended.length > 0) this.#tell();
    return tools.toolOf(entry);
  }

  /**
   * Ends scans whose sources have been quiet for the window. It may be called as often as one likes,
   * and does its work every {@link sweepMs}.
   *
   * @param nowMs on the clock of the packets' `readMs`
   */
  expire(nowMs: number): void {
    if (nowMs < this.#nextSweepMs) return;
    this.#nextSweepMs = nowMs + this.sweepMs;
    this.#sweep(nowMs, nowMs - this.#windowMs, nowMs - MOST_SCAN_MS, false);
  }

  /** Ends all scans; a thousand of them are told, whatever was told before. */
  end(): void {
    this.#minuteMs = this.#nextSweepMs = -Infinity;
    this.#sweep(0, Infinity, Infinity, true);
  }

  /** Ends the scans whose last or first packet was read before a time. */
  #sweep(nowMs: number, lastBefore: number, firstBefore: number, all: boolean): void {
    // What ends together is told in the same way, also the last of it.
    const { crowded } = this.#campaigns;
    for (let entry = 0; entry < this.#slots.capacity && this.#open > 0; entry++) {
      if (this.#slots.versionOf(entry) === 0) continue;
      const over = this.#lastReadMs[entry] < lastBefore || this.#firstReadMs[entry] < firstBefore;
      if (over) this.#end(entry, crowded, nowMs);
    }
    for (const summary of this.#campaigns.end(nowMs, all)) {
      this.#take(summary.kind, nowMs, () => summary);
    }
    if (this.#ended.length > 0) this.#tell();
  }

  #tell(): void {
    const ended = this.#ended;
    this.#ended = [];
    this.#parts.onEnded(ended);
  }

  /**
   * Begins a scan in the place of another one, if there is one.
   *
   * @param other whether that is another source's, which goes for want of room
   */
  #begin(entry: number, packet: Packet, other: boolean): void {
    if (this.#slots.versionOf(entry) !== 0) {
      this.#end(entry, other || this.#campaigns.crowded, packet.readMs);
    }
    this.#slots.put(entry, packet.version, packet.source);
    this.#ports[entry] = this.#targets[entry] = 0;
    this.#firstMs[entry] = this.#lastMs[entry] = packet.timeMs;
    this.#firstReadMs[entry] = packet.readMs;
    this.#parts.tools.reset(entry);
    this.#campaigns.enter();
    this.#open++;
  }

  #count(entry: number, packet: Packet): void {
    const { counts } = this.#slots;
    const few = counts[entry] < FEW_PACKETS;
    if (counts[entry] === FEW_PACKETS) this.#campaigns.leave(entry);
    if (counts[entry] < MOST_COUNT) counts[entry]++;
    const port = portMark(packet);
    if (this.#mark(entry, port)) {
      this.#ports[entry]++;
      if (few) this.#campaigns.comeTo(port);
    }
    if (this.#mark(entry, this.#targetOf(packet))) this.#targets[entry]++;
  }

  /** @returns whether it is new */
  #mark(entry: number, mark: number): boolean {
    const added = this.#marks.add(entry, mark);
    if (added !== Added.NoRoom) return added === Added.New;
    this.#end(this.#oldestLarge(), false, this.#lastReadMs[entry]);
    return this.#marks.add(entry, mark) === Added.New;
  }

  /** The large scan that was seen longest ago. */
  #oldestLarge(): number {
    let oldest = this.#marks.holders[0];
    for (const entry of this.#marks.holders) {
      if (this.#slots.isOlder(entry, oldest)) oldest = entry;
    }
    return oldest;
  }

  /** The mark of our address that a packet went to: nearly always the one of the packet before. */
  #targetOf({ version, destination }: Packet): number {
    const last = this.#lastTarget;
    if (last.version !== version || !sameAddress(version, last.address, destination)) {
      const found = this.#ownAddresses.find(version, destination);
      // Where there are too many, two of them share a number: some are not counted.
      if (found < 0) this.#ownAddresses.put(~found, version, destination);
      last.version = version;
      last.address.set(destination);
      last.mark = targetMark(found < 0 ? ~found : found);
    }
    return last.mark;
  }

  /** @param flood whether it is told with others, unless it has sent more than a few packets */
  #end(entry: number, flood: boolean, nowMs: number): void {
    const few = this.#slots.counts[entry] <= FEW_PACKETS;
    const campaign = few ? this.#campaigns.campaignOf(entry, flood) : 0;
    if (campaign > 0) this.#join(campaign, entry, nowMs);
    else this.#take(this.#kindOf(entry), nowMs, (kind) => this.#summaryOf(entry, kind));
    if (few) this.#campaigns.leave(entry);
    this.#marks.clear(entry);
    this.#slots.free(entry);
    this.#open--;
  }

  #join(campaign: number, entry: number, nowMs: number): void {
    const wasBlocked = this.#campaigns.isBlocked(campaign);
    this.#campaigns.add(campaign, entry, {
      packets: this.#slots.counts[entry],
      firstMs: this.#firstMs[entry],
      lastMs: this.#lastMs[entry],
      tool: this.#parts.tools.toolOf(entry),
    }, nowMs);
    // In a flood nobody asks for each source: one that is not blocked decides.
    if (wasBlocked && !this.#parts.isBlocked(this.#sourceOf(entry))) {
      this.#campaigns.notBlocked(campaign);
    }
  }

  /** Counts a scan that has ended, and makes its summary if there is still room for it. */
  #take(kind: ScanKind, nowMs: number, make: (kind: ScanKind) => ScanSummary): void {
    this.#endedByKind[SCAN_KINDS.indexOf(kind)]++;
    if (nowMs - this.#minuteMs >= MINUTE_MS) {
      this.#minuteMs = nowMs;
      this.#toldInMinute = 0;
    }
    if (this.#toldInMinute >= SCANS_A_MINUTE) this.#untold++;
    else {
      this.#toldInMinute++;
      this.#ended.push(make(kind));
    }
  }

  #kindOf(entry: number): ScanKind {
    const packets = this.#slots.counts[entry];
    const ports = this.#ports[entry];
    const targets = this.#targets[entry];
    if (packets <= 2) return "probe";
    if (ports === 1 && targets === 1) return "repeated";
    const spanMs = this.#lastReadMs[entry] - this.#firstReadMs[entry];
    if (spanMs / (packets - 1) > SLOW_SPACING_MS) return "slow";
    return targets > ports ? "sweep" : "vertical";
  }

  #summaryOf(entry: number, kind: ScanKind): ScanSummary {
    const source = this.#sourceOf(entry);
    return {
      source,
      kind,
      tool: this.#parts.tools.toolOf(entry),
      firstMs: this.#firstMs[entry],
      lastMs: this.#lastMs[entry],
      packets: this.#slots.counts[entry],
      ports: this.#ports[entry],
      targets: this.#targets[entry],
      samplePorts: this.#samplePorts(entry),
      blocked: this.#parts.isBlocked(source),
    };
  }

  #sourceOf(entry: number): string {
    return formatAddress(this.#slots.versionOf(entry), this.#slots.addressOf(entry));
  }

  #samplePorts(entry: number): string[] {
    const marks = Array.from(
      { length: this.#marks.listLength(entry) },
      (_, i) => this.#marks.listed(entry, i),
    );
    return marks.filter((mark) => mark < PORT_MARKS).map(portText);
  }
}
