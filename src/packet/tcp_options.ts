/**
 * The options of a TCP header, as far as they tell systems and tools apart.
 *
 * @module
 */
import { uint16 } from "./bytes.ts";

/** Option kinds (IANA, TCP Option Kind Numbers). */
const Kind = {
  End: 0,
  NoOperation: 1,
  MaximumSegment: 2,
  WindowScale: 3,
  SackPermitted: 4,
  Timestamps: 8,
} as const;
const LAST_PLAIN_KIND = 5; // segment size, window scale, SACK permitted and SACK: 2 to 5
const MAXIMUM_SEGMENT_BYTES = 4; // RFC 9293, section 3.7.1
const WINDOW_SCALE_BYTES = 3; // RFC 7323, section 2.2

const END_DIGIT = 0xe;
const OTHER_DIGIT = 0xf;
/** The most that leaves room for one more digit: seven of them are a small integer to V8. */
const ROOM_FOR_DIGIT = 0x00ff_ffff;

/** Digits of {@link TcpOptions.kinds} as bits of {@link TcpOptions.bits}. */
export const OptionBit = {
  MaximumSegment: 1 << Kind.MaximumSegment,
  WindowScale: 1 << Kind.WindowScale,
  SackPermitted: 1 << Kind.SackPermitted,
  Timestamps: 1 << Kind.Timestamps,
} as const;

/** The options of one header; all of it is overwritten by the next {@link TcpOptions.read}. */
export class TcpOptions {
  /**
   * The order of their kinds in hexadecimal digits: 1 to 5 and 8 stand for themselves, `e` for the end
   * of the list, `f` for any other kind and for an option whose length cannot be, behind which nothing
   * is read. The first seven count. Linux' SYN has 0x24813 (segment size, SACK permitted, timestamps,
   * no-operation, window scale), and nmap's 0x2; no options are 0.
   */
  kinds = 0;
  /** Which kinds there are, in whatever order and however many. */
  bits = 0;
  /** The maximum segment size; 0 for none. */
  maximumSegment = 0;
  /** The window scale; -1 for none. */
  windowScale = -1;

  /** As of a header without options. */
  clear(): void {
    this.kinds = 0;
    this.bits = 0;
    this.maximumSegment = 0;
    this.windowScale = -1;
  }

  /** Reads the options between `start` and `end`. */
  read(bytes: Uint8Array, start: number, end: number): void {
    this.clear();
    // Each turn goes on by a byte at least, so the header's 40 bound the walk.
    for (let offset = start; offset < end;) offset += this.#readOne(bytes, offset, end);
  }

  /** Reads the option at `offset`, and says how long it is. */
  #readOne(bytes: Uint8Array, offset: number, end: number): number {
    const kind = bytes[offset];
    const rest = end - offset;
    if (kind === Kind.NoOperation) return this.#add(kind, 1);
    if (kind === Kind.End) return this.#add(END_DIGIT, rest);
    const length = rest > 1 ? bytes[offset + 1] : 0;
    if (length < 2 || length > rest) return this.#add(OTHER_DIGIT, rest);
    if (kind === Kind.MaximumSegment && length === MAXIMUM_SEGMENT_BYTES) {
      this.maximumSegment = uint16(bytes, offset + 2);
    } else if (kind === Kind.WindowScale && length === WINDOW_SCALE_BYTES) {
      this.windowScale = bytes[offset + 2];
    }
    const plain = kind <= LAST_PLAIN_KIND || kind === Kind.Timestamps;
    return this.#add(plain ? kind : OTHER_DIGIT, length);
  }

  #add(digit: number, length: number): number {
    this.bits |= 1 << digit;
    if (this.kinds <= ROOM_FOR_DIGIT) this.kinds = this.kinds << 4 | digit;
    return length;
  }
}
