/**
 * The table `inet portsentry`: a set for each length of address that is blocked, and a chain with a
 * rule for each set, in the language of nft(8).
 *
 * The sets hold single values, also those of networks, whose rules mask a packet's source: an element
 * of such a set is added in the same time however many there are. A set of intervals would have to be
 * known as a whole for each.
 *
 * @module
 */
import type { Element } from "../../ffi/nft_elements.ts";
import { readAddress } from "../packet/read_address.ts";

/** The one table that is Portsentry's, of the family `inet`. */
export const TABLE = "portsentry";

/** Its chain. */
export const CHAIN = "prerouting";

const MARK_COMMENT = "matches nothing: tells portsentry that this set is whole";

/**
 * An element that every set has and that matches no packet: who flushes a set takes it away, who
 * deletes an element leaves it. As a source it is invalid (RFC 1122, section 3.2.1.3; RFC 4291,
 * section 2.7), and no masked source has bits behind the mask.
 */
export const MARK = {
  4: { key: new Uint8Array(4).fill(255), timeoutMs: undefined, comment: MARK_COMMENT },
  6: { key: new Uint8Array(16).fill(255), timeoutMs: undefined, comment: MARK_COMMENT },
} as const satisfies Record<number, Element>;

/** A set of the table. */
export interface BlockSet {
  name: string;
  version: 4 | 6;
  /** Length of the addresses' prefix: 32 or 128 for single hosts. */
  bits: number;
}

/** The sets for single hosts, which are always there. */
export const HOST_SETS: readonly BlockSet[] = [blockSet(4, 32), blockSet(6, 128)];

/** The set that a host or network belongs to, and its address in network order. */
export interface Target {
  set: BlockSet;
  key: Uint8Array;
}

function blockSet(version: 4 | 6, bits: number): BlockSet {
  const single = bits === (version === 4 ? 32 : 128);
  return { name: single ? `blocked${version}` : `networks${version}_${bits}`, version, bits };
}

/**
 * Where a host or network belongs. Whatever the text was, only numbers go on: nothing that came from
 * outside reaches nft's parser.
 *
 * @throws {RangeError} when it is neither an address nor a network
 */
export function targetOf(host: string): Target {
  const slash = host.indexOf("/");
  const address = slash < 0 ? host : host.slice(0, slash);
  const key = readAddress(address);
  if (!key) throw noAddress(host);
  const version = key.length === 4 ? 4 : 6;
  if (slash < 0) return { set: HOST_SETS[version === 4 ? 0 : 1], key };
  const length = host.slice(slash + 1);
  if (!/^[1-9]\d{0,2}$/.test(length) || Number(length) > key.length * 8) throw noAddress(host);
  const mask = maskOf(version, Number(length));
  return { set: blockSet(version, Number(length)), key: key.map((byte, i) => byte & mask[i]) };
}

/** An address as nft reads it; IPv6 without the abbreviations of RFC 5952. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from(
    { length: bytes.length / 2 },
    (_, i) => bytes[2 * i] << 8 | bytes[2 * i + 1],
  );
  return groups.map((group) => group.toString(16)).join(":");
}

function noAddress(host: string): RangeError {
  return new RangeError(
    `Cannot block ${JSON.stringify(host)}: it is neither an address nor a network`,
  );
}

/** The mask of a prefix, as 4 or 16 bytes. */
function maskOf(version: 4 | 6, bits: number): Uint8Array {
  return Uint8Array.from({ length: version === 4 ? 4 : 16 }, (_, i) => {
    const zeros = Math.min(8, Math.max(0, 8 * (i + 1) - bits));
    return 255 << zeros & 255;
  });
}

/** Commands that leave nothing of the table, whether it is there or not. */
export function deletion(): string {
  return `add table inet ${TABLE}\ndelete table inet ${TABLE}\n`;
}

/**
 * Commands that make the table, or what a table of ours lacks to be whole; the elements of its sets
 * stay. The chain is before connection tracking, which costs memory.
 *
 * @param others sets that are there and have no blocks any more
 */
export function creation(sets: Iterable<BlockSet>, others: Iterable<string> = []): string {
  return `add table inet ${TABLE}\n` +
    `add chain inet ${TABLE} ${CHAIN} { type filter hook prerouting priority raw - 10; }\n` +
    `flush chain inet ${TABLE} ${CHAIN}\n` +
    Array.from(others, (name) => `delete set inet ${TABLE} ${name}\n`).join("") +
    Array.from(sets, definition).join("");
}

/**
 * Commands that make a set and its rule. The set has no size: the kernel would take memory for all of
 * it at once, and how many are blocked is for the owner to bound.
 */
export function definition({ name, version, bits }: BlockSet): string {
  const field = version === 4 ? "ip saddr" : "ip6 saddr";
  const single = bits === (version === 4 ? 32 : 128);
  const source = single ? field : `${field} & ${addressText(maskOf(version, bits))}`;
  return `add set inet ${TABLE} ${name} { type ipv${version}_addr; flags timeout; }\n` +
    `add rule inet ${TABLE} ${CHAIN} ${source} @${name} counter drop\n`;
}
