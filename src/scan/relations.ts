/**
 * What two packets of one scan say of the tool that made both: scanners that remember nothing put into
 * their packets what lets them know the answer. The papers are named in signatures.ts.
 * All numbers have 32 bits and a sign.
 *
 * @module
 */

/**
 * nmap's numbers: 16 bits that count tries and pings, twice, under one mask for the whole run; so what
 * differs between two of them differs in the upper half as in the lower. By chance it is so in one of
 * 65,536 pairs.
 */
export function areNmapNumbers(a: number, b: number): boolean {
  const difference = a ^ b;
  return difference >>> 16 === (difference & 0xffff);
}

/**
 * What remains of unicornscan's sequence number without the target: its key, the same for the whole
 * run. The address is taken as a little-endian machine reads it, the ports are the target's and the
 * source's. By chance two packets share a key once in 2^32.
 *
 * @param address the target's, as a big-endian number
 * @param ports destination and source, one behind the other
 */
export function unicornscanKey(sequence: number, address: number, ports: number): number {
  const reversed = address >>> 24 | address >>> 8 & 0xff00 | (address & 0xff00) << 8 |
    address << 24;
  return sequence ^ reversed ^ ports;
}
