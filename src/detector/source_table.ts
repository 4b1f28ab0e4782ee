/**
 * What each source has done, counted in a fixed amount of memory.
 *
 * @module
 */
import { AddressSlots } from "../packet/address_slots.ts";
import type { Packet } from "../packet/packet.ts";

/** What to count of a source lately, and how much of it is enough. */
export interface LateRule {
  /** The count that is enough; with ports, {@link SourceTable.rememberPorts} was told the same. */
  limit: number;
  /** Milliseconds, or Infinity. */
  windowMs: number;
}

/** Counts of sources. Spoofed ones can fill the table but not make it grow. */
export class SourceTable {
  readonly #slots: AddressSlots;
  readonly #windowStarts: Float64Array;
  /** For each entry, the ports that its count is of: one less than the limit, or none. */
  #ports = new Uint32Array(0);
  #portsEach = 0;

  /**
   * @param entries most sources remembered; a power of two, at least 8
   * @param key two secret words: without them nobody can choose sources that meet in one bucket
   */
  constructor(entries: number, key?: Int32Array) {
    this.#slots = new AddressSlots(entries, key);
    this.#windowStarts = new Float64Array(entries); // untouched, and so no memory, until it is needed
  }

  /** Most sources this table remembers. */
  get capacity(): number {
    return this.#slots.capacity;
  }

  /**
   * Counts one more event of a source.
   *
   * @param version 4 or 6
   * @param address its bytes in network order
   * @returns how many events that makes; saturates at 2^32 - 1
   */
  count(version: number, address: Uint8Array): number {
    const { counts } = this.#slots;
    const entry = this.#entryOf(version, address);
    if (counts[entry] < 0xffff_ffff) counts[entry]++;
    return counts[entry];
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
    this.#slots.clear();
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
    const { counts } = this.#slots;
    const entry = this.#entryOf(packet.version, packet.source);
    if (readMs - this.#windowStarts[entry] > rule.windowMs) counts[entry] = 0;
    const before = counts[entry];
    if (before === 0) this.#windowStarts[entry] = readMs;
    if (this.#portsEach === 0) {
      if (before < 0xffff_ffff) counts[entry]++;
    } else if (before <= this.#portsEach) this.#countPort(entry, packet);
    const count = counts[entry];
    if (count >= rule.limit) this.#windowStarts[entry] = readMs;
    return count;
  }

  /** The limit's own port need not be remembered: with it the matter is decided. */
  #countPort(entry: number, { protocol, destinationPort }: Packet): void {
    const port = protocol << 16 | destinationPort;
    const first = entry * this.#portsEach;
    const known = this.#slots.counts[entry];
    for (let i = first; i < first + known; i++) if (this.#ports[i] === port) return;
    if (known < this.#portsEach) this.#ports[first + known] = port;
    this.#slots.counts[entry] = known + 1;
  }

  /** The entry of a source, which is taken from another one for a newcomer. */
  #entryOf(version: number, address: Uint8Array): number {
    const found = this.#slots.find(version, address);
    if (found >= 0) return found;
    this.#slots.put(~found, version, address);
    return ~found;
  }
}
