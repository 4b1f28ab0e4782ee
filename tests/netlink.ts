/**
 * Pieces of netlink messages, built by hand.
 *
 * @module
 */

/** The parts in a row. */
export function bytes(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** A number as 4 bytes of this little-endian machine. */
export function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

/** A struct rtattr with its value, padded to a multiple of four. */
export function attribute(type: number, value: Uint8Array): Uint8Array {
  const length = 4 + value.length;
  const padding = new Uint8Array(-length & 3);
  return bytes(Uint8Array.of(length, length >> 8, type, type >> 8), value, padding);
}
