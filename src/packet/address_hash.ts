/**
 * A hash of addresses for tables of a fixed size.
 *
 * @module
 */

/** A fresh key: without it nobody can choose addresses that meet in one place of a table. */
export function newHashKey(): Int32Array {
  return crypto.getRandomValues(new Int32Array(2));
}

/**
 * Multiply and mix over 32-bit words, after MurmurHash3's finaliser, started with a secret key.
 *
 * @param key two words
 * @param address bytes in network order
 * @param length how many of them count: a multiple of 4
 * @returns 32 bits, all of them as good
 */
export function hashAddress(key: Int32Array, address: Uint8Array, length: number): number {
  let hash = key[0];
  for (let i = 0; i < length; i += 4) {
    hash ^= address[i] << 24 | address[i + 1] << 16 | address[i + 2] << 8 | address[i + 3];
    hash = Math.imul(hash ^ hash >>> 16, 0x85eb_ca6b);
    hash = Math.imul(hash ^ hash >>> 13, 0xc2b2_ae35) ^ key[1];
    hash ^= hash >>> 16;
  }
  return hash;
}
