/**
 * What each source has done, counted in a fixed amount of memory.
 *
 * @module
 */
import { hashAddress, newHashKey } from "../packet/address_hash.ts";
import type { Packet } from "../packet/packet.ts";

const WAYS = 8; // entries searched for a source, whatever the table holds
const ADDRESS_BYTES = 16;

/** What to count of a source lately, and how much of it is enough. */
export interface LateRule {
  /** The count that is enough; with ports, {@link SourceTable.rememberPorts} was told the same. */
  limit: number;
  /** Milliseconds, or Infinity. */
  windowMs: number;
}

/**
 * A set-associative table: a source's keyed hash names one bucket of eight entries, and it is there
 * or nowhere. Lookups cost the same in an empty table and under a flood of spoofed sources, which
 * can fill the table but not make it grow.
 */
export class SourceTable {
  readonly #buckets: number;
  readonly #key: Int32Array;
  readonly #addresses: Uint8Array;
  readonly #versions: Uint8Array; // 0: the entry is free
  readonly #counts: Uint32Array;
  readonly #lastUse: Uint32Array;
  readonly #windowStarts: Float64Array;
  /** For each entry, the ports that its count is of: one less than the limit, or none. */
  #ports = new Uint32Array(0);
  #portsEach = 0;
  #uses = 0;

  /**
   * @param entries most sources remembered; a power of two, at least 8
   * @param key two secret words: without them nobody can choose sources that meet in one bucket
   */
  constructor(entries: number, key = newHashKey()) {
    if (entries < WAYS || (entries & (entries - 1)) !== 0) {
      throw new RangeError(`${entries} entries: must be a power of two, at least ${WAYS}`);
    }
    this.#buckets = entries / WAYS;
    this.#key = key;
    this.#addresses = new Uint8Array(entries * ADDRESS_BYTES);
    this.#versions = new Uint8Array(entries);
    this.#counts = new Uint32Array(entries);
    this.#lastUse = new Uint32Array(entries);
    this.#windowStarts = new Float64Array(entries); // untouched, and so no memory, until it is needed
  }

  /** Most sources this table remembers. */
  get capacity(): number {
    return this.#buckets * WAYS;
  }

  /**
   * Counts one more event of a source.
   *
   * @param version 4 or 6
   * @param address its bytes in network order
   * @returns how many events that makes; saturates at 2^32 - 1
   */
  count(version: number, address: Uint8Array): number {
    const entry = this.#entryOf(version, address);
    if (this.#counts[entry] < 0xffff_ffff) this.#counts[entry]++;
    return this.#counts[entry];
  }

  /**
   * Makes {@link countLately} count different ports instead of events, or events again. What was
   * counted in another way is forgotten.
   *
   * @param limit the number of ports that is enough, and is told apart; 0 for events
   */
  rememberPorts(limit: number): void {
    const portsEach = Math.max(0, limit - 1);
    if (portsEach === this.#portsEach) return;
    this.#portsEach = portsEach;
    this.#ports = new Uint32Array(this.capacity * portsEach);
    this.#versions.fill(0);
  }

  /**
   * Counts one more event of a source, or its port if that is another one. A window begins with a
   * source's first event. When it is over before the limit was reached, the next event begins a new
   * one: sliding windows would need the time of every event, and all that this spares a slow
   * scanner is one burst of less than twice the limit. Once the limit is reached it stays so until
   * the source has been quiet for a whole window, so that a scan that goes on is not let go.
   *
   * @returns what has been counted in this window: ports no further than the limit
   */
  countLately(packet: Packet, rule: LateRule): number {
    const { readMs } = packet;
    const entry = this.#entryOf(packet.version, packet.source);
    if (readMs - this.#windowStarts[entry] > rule.windowMs) this.#counts[entry] = 0;
    const before = this.#counts[entry];
    if (before === 0) this.#windowStarts[entry] = readMs;
    if (this.#portsEach === 0) {
      if (before < 0xffff_ffff) this.#counts[entry]++;
    } else if (before <= this.#portsEach) this.#countPort(entry, packet);
    const count = this.#counts[entry];
    if (count >= rule.limit) this.#windowStarts[entry] = readMs;
    return count;
  }

  /** The limit's own port need not be remembered: with it the matter is decided. */
  #countPort(entry: number, { protocol, destinationPort }: Packet): void {
    const port = protocol << 16 | destinationPort;
    const first = entry * this.#portsEach;
    const known = this.#counts[entry];
    for (let i = first; i < first + known; i++) if (this.#ports[i] === port) return;
    if (known < this.#portsEach) this.#ports[first + known] = port;
    this.#counts[entry] = known + 1;
  }

  /** The entry of a source, which is taken from another one for a newcomer, and its use. */
  #entryOf(version: number, address: Uint8Array): number {
    const length = version === 4 ? 4 : ADDRESS_BYTES;
    const first = (hashAddress(this.#key, address, length) & (this.#buckets - 1)) * WAYS;
    let entry = this.#find(first, version, address, length);
    if (entry < 0) {
      entry = this.#victim(first);
      this.#versions[entry] = version;
      this.#counts[entry] = 0;
      for (let i = 0; i < length; i++) this.#addresses[entry * ADDRESS_BYTES + i] = address[i];
    }
    // The clock wraps after 2^32 events; an entry then looks old for a moment, and no worse.
    this.#uses = (this.#uses + 1) >>> 0;
    this.#lastUse[entry] = this.#uses;
    return entry;
  }

  #find(first: number, version: number, address: Uint8Array, length: number): number {
    for (let entry = first; entry < first + WAYS; entry++) {
      if (this.#versions[entry] !== version) continue;
      const start = entry * ADDRESS_BYTES;
      let i = 0;
      while (i < length && this.#addresses[start + i] === address[i]) i++;
      if (i === length) return entry;
    }
    return -1;
  }

  /**
   * The entry of a bucket to give up: a free one, else the oldest of those seen once, else the
   * oldest. A flood of spoofed sources comes once each, so it displaces its own kind and not the
   * slow scanner that was counted twice.
   */
  #victim(first: number): number {
    let victim = first;
    for (let entry = first; entry < first + WAYS; entry++) {
      if (this.#versions[entry] === 0) return entry;
      const once = this.#counts[entry] === 1;
      const victimOnce = this.#counts[victim] === 1;
      if (once !== victimOnce ? once : this.#lastUse[entry] < this.#lastUse[victim]) {
        victim = entry;
      }
    }
    return victim;
  }
}
