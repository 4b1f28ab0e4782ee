/**
 * Names with numbers behind them, as a report lists them in text and on its page.
 *
 * @module
 */
import type { ScanGroup, Sum } from "./report_data.ts";

/** A list; the first of its numbers is what a bar shows. */
export interface Listing {
  /** What the names are, and the numbers. */
  heads: [name: string, ...numbers: string[]];
  rows: { name: string; numbers: [shown: number, ...others: number[]] }[];
}

/** Probes by what they have in common. */
export function listSums(head: string, sums: readonly Sum[]): Listing {
  return {
    heads: [head, "Probes"],
    rows: sums.map(({ name, events }) => ({ name, numbers: [events] })),
  };
}

/** Scans by what they have in common. */
export function listGroups(head: string, groups: readonly ScanGroup[]): Listing {
  return {
    heads: [head, "Scans", "Packets"],
    rows: groups.map(({ name, scans, packets }) => ({ name, numbers: [scans, packets] })),
  };
}
