/**
 * The table `inet portsentry` in the language of nft(8): a set for each length of address that is
 * blocked, and a chain with a rule for each set.
 *
 * The sets hold single values, also those of networks, whose rules mask a packet's source: an element
 * of such a set is added in the same time however many there are. A set of intervals would have
 * libnftables fetch all of it for each.
 *
 * @module
 */
import { type Element, MOST_ELEMENTS, type SetElements } from "../../ffi/nft_elements.ts";

/** The one table that is Portsentry's, of the family `inet`. */
export const TABLE = "portsentry";

/** Its chain. */
export const CHAIN = "prerouting";

/**
 * An element that every set has and that matches no packet: who flushes a set takes it away, who
 * deletes an element leaves it. As a source it is invalid (RFC 1122, section 3.2.1.3; RFC 4291,
 * section 2.7), and no masked source has bits behind the mask.
 */
export const MARK = { 4: "255.255.255.255", 6: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" } as const;
const MARK_COMMENT = "matches nothing: tells portsentry that this set is whole";

// A timeout of less than the kernel's tick (at most 10 ms) would be none, which means forever.
const LEAST_TIMEOUT_MS = 20;
// Longer than anybody waits, and far below what overflows in nft and the kernel.
const MOST_TIMEOUT_DAYS = 36_500;
const DAY_MS = 86_400_000;

/** Without leading zeros, which some read as octal. */
const IPV4 = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;
const IPV6_GROUP = /^[\da-f]{1,4}$/i;
const IPV6_GROUPS = 8;

/** A host or network that is blocked. */
export interface Block {
  /** An address, or a network as `2001:db8::/64`. */
  host: string;
  /** Ends in so many milliseconds from now; undefined: stays until it is unblocked. */
  remainingMs: number | undefined;
  /** Whether it is known not to be blocked, which makes blocking it a third of the work. */
  isNew?: boolean;
}

/** A set of the table. */
export interface BlockSet {
  name: string;
  version: 4 | 6;
  /** Length of the addresses' prefix: 32 or 128 for single hosts. */
  bits: number;
}

/** The sets for single hosts, which are always there. */
export const HOST_SETS: readonly BlockSet[] = [blockSet(4, 32), blockSet(6, 128)];

/** An element: the set it belongs to, and its address as nft reads it. */
export interface Target {
  set: BlockSet;
  text: string;
}

/** What is to be put into a set, as text. */
export interface Elements {
  set: BlockSet;
  /** Addresses that may be in the set already, all of them, and those with their timeouts. */
  known: string[];
  keys: string[];
  timed: string[];
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
  const version = address.includes(":") ? 6 : 4;
  const parts = version === 4 ? ipv4Bytes(address) : ipv6Groups(address);
  if (!parts) throw noAddress(host);
  if (slash < 0) return { set: HOST_SETS[version === 4 ? 0 : 1], text: addressText(parts) };
  const length = host.slice(slash + 1);
  if (!/^[1-9]\d{0,2}$/.test(length) || Number(length) > (version === 4 ? 32 : 128)) {
    throw noAddress(host);
  }
  const mask = maskOf(version, Number(length));
  const network = parts.map((part, i) => part & mask[i]);
  return { set: blockSet(version, Number(length)), text: addressText(network) };
}

// Two parsers of our own, since 100,000 addresses take ipaddr.js most of a second.

function ipv4Bytes(address: string): number[] | undefined {
  const found = IPV4.exec(address);
  if (!found) return undefined;
  const bytes = [Number(found[1]), Number(found[2]), Number(found[3]), Number(found[4])];
  return Math.max(...bytes) <= 255 ? bytes : undefined;
}

/** RFC 4291, section 2.2, but for its third form (`::ffff:192.0.2.9`), which events do not have. */
function ipv6Groups(address: string): number[] | undefined {
  const halves = address.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail = []] = halves.map((half) => half === "" ? [] : half.split(":"));
  const missing = IPV6_GROUPS - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<string>(missing).fill("0"), ...tail];
  return groups.every((group) => IPV6_GROUP.test(group))
    ? groups.map((group) => parseInt(group, 16))
    : undefined;
}

/** An address of 4 bytes or 8 groups, the latter without the abbreviations of RFC 5952. */
function addressText(parts: number[]): string {
  return parts.length === 4 ? parts.join(".") : parts.map((part) => part.toString(16)).join(":");
}

/** The bytes, in network order, of an address that {@link targetOf} wrote. */
export function keyBytes(text: string): Uint8Array {
  if (!text.includes(":")) return Uint8Array.from(text.split("."), Number);
  const groups = text.split(":").map((group) => parseInt(group, 16));
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

function noAddress(host: string): RangeError {
  return new RangeError(
    `Cannot block ${JSON.stringify(host)}: it is neither an address nor a network`,
  );
}

/** The mask of a prefix, as 4 bytes or 8 groups. */
function maskOf(version: 4 | 6, bits: number): number[] {
  const width = version === 4 ? 8 : 16;
  const ones = (1 << width) - 1;
  return Array.from({ length: version === 4 ? 4 : IPV6_GROUPS }, (_, i) => {
    const zeros = Math.min(width, Math.max(0, width * (i + 1) - bits));
    return ones << zeros & ones;
  });
}

/**
 * The elements for some blocks, by set; blocks that have ended are left out.
 *
 * @throws {RangeError} when a host is none
 */
export function elementsOf(blocks: Iterable<Block>): Elements[] {
  // A host that comes twice would be an element with two timeouts, which the kernel refuses.
  const bySet = new Map<
    string,
    { set: BlockSet; known: string[]; timeouts: Map<string, string> }
  >();
  for (const { host, remainingMs, isNew = false } of blocks) {
    const { set, text } = targetOf(host);
    if (remainingMs !== undefined && !(remainingMs > 0)) continue;
    // Forged packets may have the mark's address. No packet with it gets further than to here, but
    // the mark must neither time out nor be unblocked.
    if (text === MARK[set.version]) continue;
    let found = bySet.get(set.name);
    if (!found) bySet.set(set.name, found = { set, known: [], timeouts: new Map() });
    if (!isNew) found.known.push(text);
    found.timeouts.set(text, timeoutText(remainingMs));
  }
  return [...bySet.values()].map(({ set, known, timeouts }) => ({
    set,
    known,
    keys: [...timeouts.keys()],
    timed: Array.from(timeouts, ([key, timeout]) => key + timeout),
  }));
}

/**
 * Elements for blocks of hosts that are known not to be blocked, by set, for {@link NftElements}.
 * Undefined when others are among them, or too many.
 *
 * @throws {RangeError} when a host is none
 */
export function newElements(blocks: readonly Block[]): SetElements[] | undefined {
  const bySet = new Map<string, Element[]>();
  for (const { host, remainingMs, isNew } of blocks) {
    const { set, text } = targetOf(host);
    if (!isNew) return undefined;
    if (remainingMs !== undefined && !(remainingMs > 0)) continue;
    if (text === MARK[set.version]) continue;
    const elements = bySet.get(set.name) ?? [];
    if (elements.push({ key: keyBytes(text), timeoutMs: timeoutMs(remainingMs) }) > MOST_ELEMENTS) {
      return undefined;
    }
    bySet.set(set.name, elements);
  }
  return Array.from(bySet, ([set, elements]) => ({ set, elements }));
}

/** A timeout that the kernel takes. */
function timeoutMs(remainingMs: number | undefined): number | undefined {
  if (remainingMs === undefined || remainingMs === Infinity) return undefined;
  const ms = Math.max(LEAST_TIMEOUT_MS, Math.ceil(remainingMs));
  return Math.min(ms, MOST_TIMEOUT_DAYS * DAY_MS);
}

/** nft takes no more than eight digits in a row. */
function timeoutText(remainingMs: number | undefined): string {
  const ms = timeoutMs(remainingMs);
  if (ms === undefined) return "";
  return ` timeout ${Math.floor(ms / DAY_MS)}d${ms % DAY_MS}ms`;
}

/** Commands that leave nothing of the table, whether it is there or not. */
export function deletion(): string {
  return `add table inet ${TABLE}\ndelete table inet ${TABLE}\n`;
}

/** Commands that make the table and its chain: before connection tracking, which costs memory. */
export function creation(): string {
  return `add table inet ${TABLE}\n` +
    `add chain inet ${TABLE} ${CHAIN} { type filter hook prerouting priority raw - 10; }\n`;
}

/**
 * Commands that make a set, its mark and its rule. The set has no size: the kernel would take memory
 * for all of it at once, and how many are blocked is for the owner to bound.
 */
export function definition(set: BlockSet): string {
  const { name, version, bits } = set;
  const field = version === 4 ? "ip saddr" : "ip6 saddr";
  const single = bits === (version === 4 ? 32 : 128);
  const source = single ? field : `${field} & ${addressText(maskOf(version, bits))}`;
  return `add set inet ${TABLE} ${name} { type ipv${version}_addr; flags timeout; }\n` +
    elementCommand("add", set, [`${MARK[version]} comment "${MARK_COMMENT}"`]) +
    `add rule inet ${TABLE} ${CHAIN} ${source} @${name} counter drop\n`;
}

/** A command for elements of a set. */
export function elementCommand(verb: "add" | "delete", set: BlockSet, elements: string[]): string {
  if (elements.length === 0) return "";
  return `${verb} element inet ${TABLE} ${set.name} { ${elements.join(", ")} }\n`;
}
