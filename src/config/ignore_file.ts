/**
 * The ignore file: sources that are never acted on.
 *
 * @module
 */
import ipaddr from "ipaddr.js";
import { quote } from "../text.ts";
import type { Fault } from "./fault.ts";

/** A set of IPv4 and IPv6 networks, searched in the logarithm of their number. */
export class IgnoreList {
  readonly #ipv4: ByteRanges;
  readonly #ipv6: ByteRanges;
  /** How many lines of the file named a network. */
  readonly size: number;

  constructor(networks: readonly Network[]) {
    this.size = networks.length;
    this.#ipv4 = new ByteRanges(4, networks.filter(({ address }) => address.length === 4));
    this.#ipv6 = new ByteRanges(16, networks.filter(({ address }) => address.length === 16));
  }

  /**
   * Whether an address is in one of the networks. Allocates nothing.
   *
   * @param version 4 or 6
   * @param address its bytes in network order, the first 4 or all 16 of which count
   */
  has(version: number, address: Uint8Array): boolean {
    return (version === 4 ? this.#ipv4 : this.#ipv6).has(address);
  }
}

/** A network: its address with the host bits cleared, and the length of its prefix in bits. */
export interface Network {
  address: Uint8Array;
  prefix: number;
}

/** Sorted, disjoint ranges of big-endian numbers, `width` bytes each. */
class ByteRanges {
  readonly #firsts: Uint8Array;
  readonly #lasts: Uint8Array;
  readonly #count: number;

  constructor(readonly width: number, networks: readonly Network[]) {
    const ranges = networks.map(({ address, prefix }) => ({
      first: address,
      last: setHostBits(address, prefix),
    })).sort((a, b) => compareBytes(a.first, b.first));
    // Two networks are disjoint or one holds the other: what does not end later is held already.
    const disjoint: typeof ranges = [];
    for (const range of ranges) {
      const before = disjoint.at(-1);
      if (!before || compareBytes(range.first, before.last) > 0) disjoint.push(range);
      else if (compareBytes(range.last, before.last) > 0) before.last = range.last;
    }
    this.#count = disjoint.length;
    this.#firsts = new Uint8Array(this.#count * width);
    this.#lasts = new Uint8Array(this.#count * width);
    disjoint.forEach(({ first, last }, i) => {
      this.#firsts.set(first, i * width);
      this.#lasts.set(last, i * width);
    });
  }

  has(address: Uint8Array): boolean {
    let low = 0;
    let high = this.#count;
    while (low < high) { // the number of ranges that start at or before the address
      const middle = (low + high) >>> 1;
      if (this.#compare(this.#firsts, middle, address) <= 0) low = middle + 1;
      else high = middle;
    }
    return low > 0 && this.#compare(this.#lasts, low - 1, address) >= 0;
  }

  #compare(numbers: Uint8Array, index: number, address: Uint8Array): number {
    const start = index * this.width;
    for (let i = 0; i < this.width; i++) {
      const difference = numbers[start + i] - address[i];
      if (difference !== 0) return difference;
    }
    return 0;
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return 0;
}

/** Byte `index` of the mask of a prefix. */
function maskByte(prefix: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefix - index * 8));
  return (0xff << (8 - bits)) & 0xff;
}

function setHostBits(address: Uint8Array, prefix: number): Uint8Array {
  return address.map((byte, i) => byte | (~maskByte(prefix, i) & 0xff));
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
function parseAddress(text: string): Uint8Array | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) {
    return Uint8Array.from(ipaddr.IPv4.parse(text).toByteArray());
  }
  if (!text.includes(":") || !ipaddr.IPv6.isValid(text)) return undefined;
  // The library takes ::192.0.2.1 for ::ffff:192.0.2.1; RFC 4291, section 2.5.5, tells them apart.
  const full = text.replace(/^::(?=\d+\.)/, "0:0:0:0:0:0:");
  return Uint8Array.from(ipaddr.IPv6.parse(full).toByteArray());
}

/** An ignore list, or everything that is wrong with its file. */
export type ParsedIgnoreFile = { ignore: IgnoreList } | { faults: Fault[] };

/**
 * Reads an ignore file: an IPv4 or IPv6 address or CIDR a line, blank lines, and comments from `#`
 * to the end of a line.
 *
 * @param file the file's name, for the faults
 */
export function parseIgnoreFile(text: string, file: string): ParsedIgnoreFile {
  const networks: Network[] = [];
  const faults: Fault[] = [];
  text.split("\n").forEach((raw, index) => {
    const entry = raw.replace(/#.*/, "").trim();
    if (entry === "") return;
    const network = parseNetwork(entry);
    if (network) networks.push(network);
    else {
      faults.push({
        where: file,
        line: index + 1,
        message: `Cannot parse ${quote(entry)}: ${adviceFor(entry)}`,
      });
    }
  });
  return faults.length > 0 ? { faults } : { ignore: new IgnoreList(networks) };
}

function adviceFor(entry: string): string {
  const [host, prefix] = entry.split("/");
  if (prefix !== undefined && parseAddress(host)) {
    const most = host.includes(":") ? 128 : 32;
    return `the prefix after "/" must be a number from 0 to ${most}`;
  }
  return "write an IPv4 or IPv6 address or CIDR such as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32";
}
