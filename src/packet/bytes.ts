/**
 * Reads of big-endian numbers, as network protocols write them.
 *
 * @module
 */

/** The 16-bit number at `offset`. */
export function uint16(bytes: Uint8Array, offset: number): number {
  return bytes[offset] << 8 | bytes[offset + 1];
}
