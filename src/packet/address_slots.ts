/**
 * Places for addresses of both families in a fixed amount of memory.
 *
 * @module
 */
import { hashAddress, newHashKey } from "./address_hash.ts";

const WAYS = 8; // slots searched for an address, whatever the table holds
const ADDRESS_BYTES = 16;

/**
 * A set-associative table: an address' keyed hash names one bucket of eight slots, and it is there or
 * nowhere. Lookups cost the same in an empty table and under a flood of spoofed sources, which can
 * fill the table but not make it grow. What is known of an address is its owner's matter, in arrays
 * with a slot's number for an index.
 */
export class AddressSlots {
  readonly #buckets: number;
  readonly #key: Int32Array;
  readonly #addresses: Uint8Array;
  readonly #versions: Uint8Array; // 0: the slot is free
  readonly #lastUse: Uint32Array;
  /** For each slot, what its owner counts: 1 is given up before anything else. */
  readonly counts: Uint32Array;
  #uses = 0;

  /**
   * @param capacity most addresses; a power of two, at least 8
   * @param key two secret words: without them nobody can choose addresses that meet in one bucket
   */
  constructor(readonly capacity: number, key = newHashKey()) {
    if (capacity < WAYS || (capacity & (capacity - 1)) !== 0) {
      throw new RangeError(`${capacity} entries: must be a power of two, at least ${WAYS}`);
    }
    this.#buckets = capacity / WAYS;
    this.#key = key;
    this.#addresses = new Uint8Array(capacity * ADDRESS_BYTES);
    this.#versions = new Uint8Array(capacity);
    this.counts = new Uint32Array(capacity);
    this.#lastUse = new Uint32Array(capacity);
  }

  /**
   * Looks for an address, and marks its slot as used.
   *
   * @param version 4 or 6
   * @param address its bytes in network order
   * @returns its slot, or `~slot` (below 0) with the one that {@link put} may give it
   */
  find(version: number, address: Uint8Array): number {
    const length = version === 4 ? 4 : ADDRESS_BYTES;
    const first = (hashAddress(this.#key, address, length) & (this.#buckets - 1)) * WAYS;
    const slot = this.#search(first, version, address, length);
    if (slot < 0) return ~this.#victim(first);
    this.#touch(slot);
    return slot;
  }

  /** Gives a slot that {@link find} named to an address, whoever had it before. Its count is 0. */
  put(slot: number, version: number, address: Uint8Array): void {
    this.#versions[slot] = version;
    this.counts[slot] = 0;
    const start = slot * ADDRESS_BYTES;
    const length = version === 4 ? 4 : ADDRESS_BYTES;
    for (let i = 0; i < length; i++) this.#addresses[start + i] = address[i];
    this.#touch(slot);
  }

  /** IP version of the address in a slot; 0 when it is free. */
  versionOf(slot: number): number {
    return this.#versions[slot];
  }

  /** A view of the address in a slot. */
  addressOf(slot: number): Uint8Array {
    return this.#addresses.subarray(slot * ADDRESS_BYTES, (slot + 1) * ADDRESS_BYTES);
  }

  /** Whether a slot was used longer ago than another one. */
  isOlder(slot: number, other: number): boolean {
    return this.#lastUse[slot] < this.#lastUse[other];
  }

  free(slot: number): void {
    this.#versions[slot] = 0;
  }

  clear(): void {
    this.#versions.fill(0);
  }

  /** The clock wraps after 2^32 uses; a slot then looks old for a moment, and no worse. */
  #touch(slot: number): void {
    this.#uses = (this.#uses + 1) >>> 0;
    this.#lastUse[slot] = this.#uses;
  }

  #search(first: number, version: number, address: Uint8Array, length: number): number {
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#versions[slot] !== version) continue;
      const start = slot * ADDRESS_BYTES;
      let i = 0;
      while (i < length && this.#addresses[start + i] === address[i]) i++;
      if (i === length) return slot;
    }
    return -1;
  }

  /**
   * The slot of a bucket to give up: a free one, else the oldest of those counted once, else the
   * oldest. A flood of spoofed sources comes once each, so it displaces its own kind and not the
   * slow scanner that was counted twice.
   */
  #victim(first: number): number {
    let victim = first;
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#versions[slot] === 0) return slot;
      const once = this.counts[slot] === 1;
      const victimOnce = this.counts[victim] === 1;
      if (once !== victimOnce ? once : this.isOlder(slot, victim)) victim = slot;
    }
    return victim;
  }
}
