/**
 * Reads of big-endian numbers, as network protocols write them.
 *
 * @module
 */

/** The 16-bit number at `offset`. */
export function uint16(bytes: Uint8Array, offset: number): number {
  return bytes[offset] << 8 | bytes[offset + 1];
}

/** The 32-bit number at `offset`. */
export function uint32(bytes: Uint8Array, offset: number): number {
  return (uint16(bytes, offset) << 16 | uint16(bytes, offset + 2)) >>> 0;
}

/**
 * The 32-bit number at `offset`, with a sign. As such it is a small integer to V8, for which nothing is
 * ever allocated: {@link uint32} may, for numbers from 2^31 on.
 */
export function int32(bytes: Uint8Array, offset: number): number {
  return uint16(bytes, offset) << 16 | uint16(bytes, offset + 2);
}
