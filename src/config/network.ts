/**
 * IPv4 and IPv6 networks: their text, and the bytes of their addresses.
 *
 * @module
 */
import ipaddr from "ipaddr.js";

/** A network: its address with the host bits cleared, and the length of its prefix in bits. */
export interface Network {
  address: Uint8Array;
  prefix: number;
}

/** Below 0, 0 or above 0, as `a` is less than, the same as or greater than `b`. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return 0;
}

/** Byte `index` of the mask of a prefix. */
function maskByte(prefix: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefix - index * 8));
  return (0xff << (8 - bits)) & 0xff;
}

/** An address with all but the first `prefix` bits one. */
export function setHostBits(address: Uint8Array, prefix: number): Uint8Array {
  return address.map((byte, i) => byte | (~maskByte(prefix, i) & 0xff));
}

/** Whether every address of `inner` is one of `outer`. */
export function contains(outer: Network, inner: Network): boolean {
  return outer.address.length === inner.address.length && outer.prefix <= inner.prefix &&
    samePrefix(inner.address, outer.address, outer.prefix);
}

/** Whether the first `bits` bits of two addresses of one length are the same. */
export function samePrefix(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  for (let i = 0; i * 8 < bits; i++) if (((a[i] ^ b[i]) & maskByte(bits, i)) !== 0) return false;
  return true;
}

/** An address with all but the first `prefix` bits zero. */
export function clearHostBits(address: Uint8Array, prefix: number): Uint8Array {
  return address.map((byte, i) => byte & maskByte(prefix, i));
}

/**
 * Reads an address or CIDR; without a prefix it is the one host. `::ffff:192.0.2.0/120` is the IPv4
 * network it stands for (RFC 4291, section 2.5.5.2). Undefined when the text is neither.
 */
export function parseNetwork(text: string): Network | undefined {
  const [, host, digits] = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  if (host === undefined) return undefined;
  const address = parseAddress(host);
  if (!address) return undefined;
  const bits = address.length * 8;
  const prefix = digits === undefined ? bits : Number(digits);
  if (prefix > bits) return undefined;
  const network = clearHostBits(address, prefix);
  const mapped = prefix >= 96 && MAPPED_PREFIX.every((byte, i) => network[i] === byte) &&
    bits === 128;
  return mapped
    ? { address: network.subarray(12), prefix: prefix - 96 }
    : { address: network, prefix };
}

const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** The 4 or 16 bytes of an address. */
export function parseAddress(text: string): Uint8Array | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) {
    return Uint8Array.from(ipaddr.IPv4.parse(text).toByteArray());
  }
  if (!text.includes(":") || !ipaddr.IPv6.isValid(text)) return undefined;
  // 192.0.2.010 is .8 to one program and .10 to the next (RFC 6943, section 3.1.1): alone it is
  // refused, and so it is behind ::ffff:, where the library would take it.
  const embedded = text.slice(text.lastIndexOf(":") + 1);
  if (embedded.includes(".") && !ipaddr.IPv4.isValidFourPartDecimal(embedded)) return undefined;
  // The library takes ::192.0.2.1 for ::ffff:192.0.2.1; RFC 4291, section 2.5.5, tells them apart.
  const full = text.replace(/^::(?=\d+\.)/, "0:0:0:0:0:0:");
  return Uint8Array.from(ipaddr.IPv6.parse(full).toByteArray());
}
