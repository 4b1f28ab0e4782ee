/**
 * Blocks as elements of the table's sets, and the steps that a transaction makes of them.
 *
 * @module
 */
import type { Element, SetChange } from "../../ffi/nft_elements.ts";
import { FIREWALL_PART } from "../limits.ts";
import { type BlockSet, MARK, targetOf } from "./firewall_table.ts";

// A timeout of less than the kernel's tick (at most 10 ms) would be none, which means forever.
const LEAST_TIMEOUT_MS = 20;
// Longer than anybody waits, and far below what overflows in nft and the kernel.
const MOST_TIMEOUT_DAYS = 36_500;
const DAY_MS = 86_400_000;

/** A host or network that is blocked. */
export interface Block {
  /** An address, or a network as `2001:db8::/64`. */
  host: string;
  /** Ends in so many milliseconds from now; undefined: stays until it is unblocked. */
  remainingMs: number | undefined;
  /** Whether it is known not to be blocked, which makes blocking it a third of the work. */
  isNew?: boolean;
}

/** Elements of a set. */
export interface BlockElements {
  set: BlockSet;
  elements: Element[];
  /** Those of them that may be in the set already. */
  known: Element[];
}

/**
 * The elements for some blocks, by set; blocks that have ended are left out.
 *
 * @throws {RangeError} when a host is none
 */
export function elementsOf(blocks: Iterable<Block>): BlockElements[] {
  const bySet = new Map<string, BlockElements>();
  for (const { host, remainingMs, isNew = false } of blocks) {
    const { set, key } = targetOf(host);
    if (remainingMs !== undefined && !(remainingMs > 0)) continue;
    // Forged packets may have the mark's address. No packet with it gets further than to here, but
    // the mark must neither time out nor be unblocked.
    if (isMark(key)) continue;
    let found = bySet.get(set.name);
    if (!found) bySet.set(set.name, found = { set, elements: [], known: [] });
    const element = { key, timeoutMs: timeoutMs(remainingMs) };
    found.elements.push(element);
    if (!isNew) found.known.push(element);
  }
  return [...bySet.values()];
}

/** The same in parts, each of which makes a transaction that every kernel takes. */
export function* partsOf(all: readonly BlockElements[]): Iterable<BlockElements> {
  for (const { set, elements, known } of all) {
    const mayBeThere = new Set(known);
    for (let start = 0; start < elements.length; start += FIREWALL_PART) {
      const part = elements.slice(start, start + FIREWALL_PART);
      yield { set, elements: part, known: part.filter((element) => mayBeThere.has(element)) };
    }
  }
}

function isMark(key: Uint8Array): boolean {
  for (let i = 0; i < key.length; i++) if (key[i] !== 255) return false;
  return true;
}

/** A timeout that the kernel takes. */
function timeoutMs(remainingMs: number | undefined): number | undefined {
  if (remainingMs === undefined || remainingMs === Infinity) return undefined;
  const ms = Math.max(LEAST_TIMEOUT_MS, Math.ceil(remainingMs));
  return Math.min(ms, MOST_TIMEOUT_DAYS * DAY_MS);
}

/** What becomes of elements. */
export type Changes = (elements: BlockElements) => SetChange[];

/** Of a set that blocks while its own is filled. */
export function copied(elements: BlockElements): BlockElements {
  return { ...elements, set: { ...elements.set, name: `${elements.set.name}_copy` } };
}

/** What fills a set that has none of the elements. */
export function filled({ set, elements }: BlockElements): SetChange[] {
  return [added(set, elements)];
}

/** What takes elements out, be they there or not: what is deleted must be there. */
export function removed({ set, elements }: BlockElements): SetChange[] {
  return [added(set, elements), deleted(set, elements)];
}

function added(set: BlockSet, elements: SetChange["elements"]): SetChange {
  return { change: "add", set: set.name, elements };
}

function deleted(set: BlockSet, elements: SetChange["elements"]): SetChange {
  return { change: "delete", set: set.name, elements };
}

/** What a new set begins with. */
export function marked(set: BlockSet): SetChange {
  return added(set, [MARK[set.version]]);
}

/** What leaves the mark alone in a set. */
export function emptied(set: BlockSet): SetChange[] {
  return [deleted(set, undefined), marked(set)];
}

/**
 * What blocks hosts, be they blocked already or not. An element keeps its timeout when it is added
 * again (before Linux 6.12): so one that may be there is removed in between, and is there throughout
 * for the packets.
 */
export function renewed({ set, elements, known }: BlockElements): SetChange[] {
  const again = known.length === 0 ? [] : [added(set, known), deleted(set, known)];
  return [...again, added(set, elements)];
}
