/**
 * The table of our own as the last change of its rules has left it, to see what others do to it.
 *
 * @module
 */
import type { NftQuery } from "../../ffi/nft_query.ts";
import { type BlockSet, CHAIN, MARK, TABLE } from "./firewall_table.ts";

/** What a table was. */
interface Snapshot {
  handle: bigint | undefined;
  /** {@link NftQuery.rules}, a line each. */
  rules: string;
}

/** Compares the table with what it was. */
export class TableSnapshot {
  readonly #query: NftQuery;
  /** Undefined until the table has been made. */
  #last: Snapshot | undefined;

  constructor(query: NftQuery) {
    this.#query = query;
  }

  /**
   * Remembers the table as it is.
   *
   * @param rules how many it has to have: one for each set
   * @throws {SystemError} when the kernel does not answer, like {@link damage}
   */
  take(rules: number): void {
    const handle = this.#query.table(TABLE)?.handle;
    const found = this.#rules();
    // Somebody may have been faster: then no table is like this one, and the next look mends it.
    const whole = handle !== undefined && found.split("\n").length === rules;
    this.#last = { handle: whole ? handle : undefined, rules: found };
  }

  /** What is wrong with the table, or undefined. One element that is missing was somebody's wish. */
  damage(sets: Iterable<BlockSet>): string | undefined {
    if (!this.#last) return undefined;
    const table = this.#query.table(TABLE);
    if (!table) return "The firewall's rules were deleted from outside";
    if (table.handle !== this.#last.handle) {
      return "The firewall's rules were replaced from outside";
    }
    if (table.flags !== 0) return "The firewall's rules were switched off from outside";
    if (this.#rules() !== this.#last.rules) return "The firewall's rules were changed from outside";
    for (const set of sets) {
      if (!this.#query.hasElement(TABLE, set.name, MARK[set.version].key)) {
        return `The firewall's set ${set.name} was flushed from outside`;
      }
    }
    return undefined;
  }

  #rules(): string {
    return this.#query.rules(TABLE, CHAIN).join("\n");
  }
}
