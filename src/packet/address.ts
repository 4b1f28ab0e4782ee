/**
 * IP addresses as text.
 *
 * @module
 */
import ipaddr from "ipaddr.js";
import { readAddress } from "./read_address.ts";

/**
 * An address as text: dotted decimal, or IPv6 as RFC 5952 writes it.
 *
 * @param version 4 or 6
 * @param bytes in network order, the first 4 or all 16 of which count
 */
export function formatAddress(version: number, bytes: Uint8Array): string {
  if (version === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  return new ipaddr.IPv6([...bytes.subarray(0, 16)]).toRFC5952String();
}

/** The same of the 4 or 16 bytes that an address has. */
export function formatBytes(bytes: Uint8Array): string {
  return formatAddress(bytes.length === 4 ? 4 : 6, bytes);
}

/**
 * The 4 or 16 bytes of an address, in any of its forms.
 *
 * @throws {Error} when the text is no address
 */
export function addressBytes(text: string): Uint8Array {
  return readAddress(text) ?? Uint8Array.from(ipaddr.parse(text).toByteArray());
}
