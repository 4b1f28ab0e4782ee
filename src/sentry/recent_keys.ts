/**
 * Keys that were seen lately, with the time, in a fixed amount of memory.
 *
 * @module
 */
import { hashAddress, newHashKey } from "../packet/address_hash.ts";

const WAYS = 8; // entries searched for a key, whatever the table holds

/**
 * A set-associative table, as that of the sources is: a key's keyed hash names one bucket of eight
 * entries. Not the key itself is kept but 32 bits of a second hash, so that of a billion keys that
 * were never noted two are taken for known.
 */
export class RecentKeys {
  readonly #buckets: number;
  readonly #keyBytes: number;
  readonly #bucketKey = newHashKey();
  readonly #tagKey = newHashKey();
  readonly #tags: Uint32Array; // 0: the entry is free
  readonly #times: Uint32Array;
  readonly #ports: Uint16Array;
  readonly #onLost: (port: number, timeS: number) => void;

  /**
   * @param entries most keys remembered; a power of two, at least 8
   * @param keyBytes the length of a key: a multiple of 4
   * @param onLost takes the port and time of a key that had to make room for another
   */
  constructor(
    entries: number,
    keyBytes: number,
    onLost: (port: number, timeS: number) => void = () => {},
  ) {
    if (entries < WAYS || (entries & (entries - 1)) !== 0) {
      throw new RangeError(`${entries} entries: must be a power of two, at least ${WAYS}`);
    }
    this.#buckets = entries / WAYS;
    this.#keyBytes = keyBytes;
    this.#tags = new Uint32Array(entries); // untouched, and so no memory, until they are needed
    this.#times = new Uint32Array(entries);
    this.#ports = new Uint16Array(entries);
    this.#onLost = onLost;
  }

  /**
   * Gives a key that is known a new time.
   *
   * @param nowS whole seconds: fractions would have to be boxed, and make garbage
   * @returns the time before; -1 when the key is not known, and then nothing is noted
   */
  refresh(key: Uint8Array, nowS: number): number {
    const entry = this.#find(this.#bucketOf(key), this.#tagOf(key));
    if (entry < 0) return -1;
    const before = this.#times[entry];
    this.#times[entry] = nowS;
    return before;
  }

  /**
   * Notes a key, in the place of the oldest one that could be there if all of them are taken.
   *
   * @param port what {@link onLost} is to be told of it
   */
  note(key: Uint8Array, nowS: number, port: number): void {
    const first = this.#bucketOf(key);
    const tag = this.#tagOf(key);
    let entry = this.#find(first, tag);
    if (entry < 0) {
      entry = this.#oldest(first);
      if (this.#tags[entry] !== 0) this.#onLost(this.#ports[entry], this.#times[entry]);
    }
    this.#tags[entry] = tag;
    this.#times[entry] = nowS;
    this.#ports[entry] = port;
  }

  #bucketOf(key: Uint8Array): number {
    return (hashAddress(this.#bucketKey, key, this.#keyBytes) & (this.#buckets - 1)) * WAYS;
  }

  #tagOf(key: Uint8Array): number {
    return (hashAddress(this.#tagKey, key, this.#keyBytes) >>> 0) || 1;
  }

  #find(first: number, tag: number): number {
    for (let entry = first; entry < first + WAYS; entry++) {
      if (this.#tags[entry] === tag) return entry;
    }
    return -1;
  }

  #oldest(first: number): number {
    let oldest = first;
    for (let entry = first; entry < first + WAYS; entry++) {
      if (this.#tags[entry] === 0) return entry;
      if (this.#times[entry] < this.#times[oldest]) oldest = entry;
    }
    return oldest;
  }
}
