/**
 * Which ports and targets each scan has come to: exact, and in a fixed amount of memory.
 *
 * @module
 */
import { SCAN_BITMAPS, SCAN_LIST, SCAN_TARGETS } from "../limits.ts";
import { type Packet, Protocol } from "../packet/packet.ts";

const UDP_FIRST = 65_536;
const TARGETS_FIRST = 2 * UDP_FIRST;
const WORDS = (TARGETS_FIRST + SCAN_TARGETS) / 32;

/** Marks below this are ports. */
export const PORT_MARKS = TARGETS_FIRST;

/** What has no port, such as a ping, has the mark of port 0 over UDP, which nobody can watch. */
const NO_PORT = UDP_FIRST;

/** The mark of a packet's port. */
export function portMark({ protocol, destinationPort }: Packet): number {
  if (protocol === Protocol.Tcp) return destinationPort;
  return protocol === Protocol.Udp ? UDP_FIRST + destinationPort : NO_PORT;
}

/** The mark of a target, by its number below SCAN_TARGETS. */
export function targetMark(target: number): number {
  return TARGETS_FIRST + target;
}

/** The number of a target's mark. */
export function targetOf(mark: number): number {
  return mark - TARGETS_FIRST;
}

/** A port's mark as it is told: `tcp/23`. */
export function portText(mark: number): string {
  if (mark === NO_PORT) return "icmp";
  return mark < UDP_FIRST ? `tcp/${mark}` : `udp/${mark - UDP_FIRST}`;
}

/** What came of {@link Marks.add}. */
export const Added = { Known: 0, New: 1, NoRoom: 2 } as const;
export type Added = typeof Added[keyof typeof Added];

/**
 * A set of marks for each entry: a short list, which most never outgrow, and then one of a number of
 * bitmaps. That those may run out is for the caller to see to: what is told of a scan is never a guess.
 */
export class Marks {
  readonly #lists: Uint32Array;
  readonly #listed: Uint8Array;
  /** The bitmap of each entry, from 1 on; 0 for none. */
  readonly #bitmapOf: Uint16Array;
  readonly #bitmaps: Uint32Array[] = [];
  readonly #holders = new Int32Array(SCAN_BITMAPS).fill(-1);

  constructor(entries: number) {
    this.#lists = new Uint32Array(entries * SCAN_LIST);
    this.#listed = new Uint8Array(entries);
    this.#bitmapOf = new Uint16Array(entries);
  }

  /** Entries that have bitmaps, and -1 for each bitmap that nobody has. */
  get holders(): Int32Array {
    return this.#holders;
  }

  /** Adds a mark to an entry's set. With no room for it nothing has changed. */
  add(entry: number, mark: number): Added {
    let bitmap = this.#bitmapOf[entry];
    if (bitmap === 0) {
      const listed = this.#listed[entry];
      const first = entry * SCAN_LIST;
      for (let i = first; i < first + listed; i++) {
        if (this.#lists[i] === mark) return Added.Known;
      }
      if (listed < SCAN_LIST) {
        this.#lists[first + listed] = mark;
        this.#listed[entry]++;
        return Added.New;
      }
      bitmap = this.#takeBitmap(entry);
      if (bitmap === 0) return Added.NoRoom;
    }
    const bits = this.#bitmaps[bitmap - 1];
    const bit = 1 << (mark & 31);
    if ((bits[mark >>> 5] & bit) !== 0) return Added.Known;
    bits[mark >>> 5] |= bit;
    return Added.New;
  }

  /** How many marks there are to read with {@link listed}: the first ones. */
  listLength(entry: number): number {
    return this.#listed[entry];
  }

  /** One of the first marks of an entry. */
  listed(entry: number, index: number): number {
    return this.#lists[entry * SCAN_LIST + index];
  }

  clear(entry: number): void {
    this.#listed[entry] = 0;
    const bitmap = this.#bitmapOf[entry];
    if (bitmap === 0) return;
    this.#bitmapOf[entry] = 0;
    this.#holders[bitmap - 1] = -1;
  }

  /** @returns a bitmap with the list in it, counted from 1; 0 when there is none */
  #takeBitmap(entry: number): number {
    const index = this.#holders.indexOf(-1);
    if (index < 0) return 0;
    this.#holders[index] = entry;
    this.#bitmapOf[entry] = index + 1;
    const bits = this.#bitmaps[index] ??= new Uint32Array(WORDS);
    bits.fill(0);
    for (let i = 0; i < SCAN_LIST; i++) {
      const mark = this.listed(entry, i);
      bits[mark >>> 5] |= 1 << (mark & 31);
    }
    return index + 1;
  }
}
