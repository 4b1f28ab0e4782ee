/**
 * How many events each source has caused, in a fixed amount of memory.
 *
 * @module
 */
import { hashAddress, newHashKey } from "../packet/address_hash.ts";

const WAYS = 8; // entries searched for a source, whatever the table holds
const ADDRESS_BYTES = 16;

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
    if (this.#counts[entry] < 0xffff_ffff) this.#counts[entry]++;
    return this.#counts[entry];
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
