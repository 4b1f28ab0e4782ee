/**
 * Blocks hosts in the kernel's own firewall, in the table `inet portsentry` and nowhere else: there
 * they end by themselves, also when this program has died.
 *
 * @module
 */
import type { Poller } from "../../ffi/epoll.ts";
import { SystemError } from "../../ffi/libc.ts";
import { NftElements, type SetChange } from "../../ffi/nft_elements.ts";
import { RulesetChanges } from "../../ffi/nft_changes.ts";
import { NftQuery } from "../../ffi/nft_query.ts";
import { Nftables, NftablesError } from "../../ffi/nftables.ts";
import { TableSnapshot } from "./table_snapshot.ts";
import { FIREWALL_CHECK_MS, FIREWALL_SETTLE_MS, FIREWALL_SMALL } from "../limits.ts";
import { isTooLarge, refusal } from "./firewall_error.ts";
import {
  type Block,
  type BlockElements,
  type Changes,
  copied,
  elementsOf,
  emptied,
  filled,
  marked,
  partsOf,
  removed,
  renewed,
} from "./block_elements.ts";
import {
  type BlockSet,
  creation,
  definition,
  deletion,
  HOST_SETS,
  TABLE,
  targetOf,
} from "./firewall_table.ts";

export type { Block } from "./block_elements.ts";
export { FirewallError } from "./firewall_error.ts";

/** What a {@link Firewall} needs of its owner. */
export interface FirewallOptions {
  poller: Poller;
  /** All blocks in force: asked when the table has to be made anew. */
  current: () => Iterable<Block>;
  /** Takes the news that the table was damaged from outside and has been made anew. */
  onRepair: (text: string) => void;
  /** Takes why it could not be; that is tried again every second. */
  onFailure: (text: string) => void;
}

/**
 * The hosts blocked in the kernel. Who is blocked changes in one transaction for each call: all of it
 * holds afterwards, or nothing has changed and it throws. Rules are made before the blocks they need.
 */
export class Firewall {
  readonly #options: FirewallOptions;
  readonly #nft: Nftables;
  readonly #query: NftQuery;
  readonly #elements = new NftElements(TABLE);
  readonly #changes: RulesetChanges;
  /** The sets of the table, by name. */
  #sets = new Map<string, BlockSet>();
  readonly #snapshot: TableSnapshot;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the first foreign change came that has not been looked at yet. */
  #changedAt: number | undefined;
  #lookedAt = -Infinity;
  /** What was told of the last repair that failed, so that it is told once. */
  #failure: string | undefined;

  private constructor(
    options: FirewallOptions,
    nft: Nftables,
    query: NftQuery,
    changes: RulesetChanges,
  ) {
    this.#options = options;
    this.#nft = nft;
    this.#query = query;
    this.#snapshot = new TableSnapshot(query);
    this.#changes = changes;
    options.poller.add(changes.fd, () => {
      changes.drain();
      this.#changed();
    });
  }

  /**
   * Opens the way to the kernel's firewall, and changes nothing in it: see {@link restore}.
   *
   * @throws {LibraryError} when there is no libnftables
   * @throws {FirewallError} when the kernel has no nf_tables, or does not let this run at it
   */
  static open(options: FirewallOptions): Firewall {
    const open: { close(): void }[] = [];
    const opened = <T extends { close(): void }>(part: T): T => {
      open.push(part);
      return part;
    };
    try {
      const query = opened(new NftQuery());
      query.generation();
      const changes = opened(new RulesetChanges());
      return new Firewall(options, opened(new Nftables()), query, changes);
    } catch (error) {
      for (const part of open) part.close();
      throw error instanceof SystemError ? refusal(error) : error;
    }
  }

  /**
   * Makes the table whole, with these blocks and no others. Packets meet the old blocks or the new
   * ones, never none.
   *
   * @throws {RangeError} when a host is none
   * @throws {NftablesError | SystemError} when the kernel refuses
   */
  restore(blocks: Iterable<Block>): void {
    const elements = elementsOf(blocks);
    const sets = new Map([...HOST_SETS, ...elements.map(({ set }) => set)].map((set) => [
      set.name,
      set,
    ]));
    this.#makeTable(sets);
    const empty = Array.from(sets.values(), emptied).flat();
    try {
      this.#change([...empty, ...elements.flatMap(filled)]);
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      // In several transactions. Meanwhile copies of the sets block: packets meet old blocks or new ones.
      const copies = elements.map(copied);
      this.#run(copies.map(({ set }) => definition(set)).join(""));
      this.#changeParts(copies, filled);
      this.#change(empty);
      this.#changeParts(elements, filled);
      this.#makeTable(sets);
    }
    this.#sets = sets;
    this.#snapshot.take(sets.size);
  }

  /**
   * Blocks some hosts. One that is blocked already is so for the new time.
   *
   * @throws {RangeError} when a host is none
   * @throws {NftablesError | SystemError} when the kernel refuses
   */
  block(blocks: readonly Block[]): void {
    const elements = elementsOf(blocks);
    if (elements.length === 0) return;
    const fresh = blocks.every(({ isNew }) => isNew);
    this.#withRepair(() => {
      this.#define(elements.map(({ set }) => set).filter(({ name }) => !this.#sets.has(name)));
      // To find out whether a change is ours takes as long as the change: a small one is looked at
      // like somebody else's, a moment later.
      if (fresh && blocks.length <= FIREWALL_SMALL) this.#elements.run(elements.flatMap(renewed));
      else this.#changeAll(elements, renewed);
    });
  }

  /**
   * Unblocks some hosts. One that is not blocked is no error.
   *
   * @throws {RangeError} when a host is none
   * @throws {NftablesError | SystemError} when the kernel refuses
   */
  unblock(hosts: Iterable<string>): void {
    const elements = elementsOf(Array.from(hosts, (host) => ({ host, remainingMs: undefined })));
    this.#withRepair(() => {
      const there = elements.filter(({ set }) => this.#sets.has(set.name));
      if (there.length > 0) this.#changeAll(there, removed);
    });
  }

  /**
   * Whether the kernel blocks this very host or network; one that is in a blocked network does not
   * count.
   *
   * @throws {RangeError} when it is neither an address nor a network
   */
  holds(host: string): boolean {
    const { set, key } = targetOf(host);
    return this.#query.hasElement(TABLE, set.name, key);
  }

  /**
   * Ends the work with the firewall.
   *
   * @param keep whether the blocks go on until their time is over; else the table is deleted
   * @throws {NftablesError} when the kernel does not delete it; everything else is closed all the same
   */
  close(keep: boolean): void {
    clearTimeout(this.#timer);
    this.#options.poller.remove(this.#changes.fd);
    this.#changes.close();
    this.#query.close();
    this.#elements.close();
    try {
      if (!keep) this.#nft.run(deletion());
    } finally {
      this.#nft.close();
    }
  }

  /** A table that works is mended and keeps its blocks; one that does not is made anew. */
  #makeTable(sets: ReadonlyMap<string, BlockSet>): void {
    const works = this.#query.table(TABLE)?.flags === 0;
    const others = works ? this.#query.sets(TABLE).filter((name) => !sets.has(name)) : [];
    try {
      this.#run((works ? "" : deletion()) + creation(sets.values(), others));
    } catch (error) {
      // Somebody may have made something else of our table, that ours cannot be made of.
      if (!works || !(error instanceof NftablesError)) throw error;
      this.#run(deletion() + creation(sets.values()));
    }
  }

  /** Makes sets that the table does not have yet. */
  #define(sets: readonly BlockSet[]): void {
    if (sets.length === 0) return;
    this.#run(sets.map(definition).join(""));
    this.#change(sets.map(marked));
    for (const set of sets) this.#sets.set(set.name, set);
    this.#snapshot.take(this.#sets.size);
  }

  #run(commands: string): void {
    this.#transact(() => this.#nft.run(commands));
  }

  #change(changes: readonly SetChange[]): void {
    this.#transact(() => this.#elements.run(changes));
  }

  /** In one transaction, if the kernel takes so many at once. */
  #changeAll(elements: readonly BlockElements[], changes: Changes): void {
    try {
      this.#change(elements.flatMap(changes));
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      this.#changeParts(elements, changes);
    }
  }

  #changeParts(elements: readonly BlockElements[], changes: Changes): void {
    for (const part of partsOf(elements)) this.#change(changes(part));
  }

  /**
   * Does something that makes one transaction, which nobody tells us of. If the ruleset is more than
   * that one further on, somebody else's came in between.
   */
  #transact(change: () => void): void {
    const before = this.#query.generation();
    this.#changes.pause();
    let own = 0;
    try {
      change();
      own = 1;
    } finally {
      this.#changes.resume();
      if (this.#query.generation() !== before + own) this.#changed();
    }
  }

  /** Does something that needs the table; when that fails for want of it, once more with a new one. */
  #withRepair(change: () => void): void {
    try {
      change();
    } catch (error) {
      if (!(error instanceof NftablesError || error instanceof SystemError)) throw error;
      const damage = this.#snapshot.damage(this.#sets.values());
      if (damage === undefined) throw error;
      this.#repair(damage);
      change();
    }
  }

  /** Asks for a look at the table when changes pause, but not never when they do not pause. */
  #changed(): void {
    const now = performance.now();
    this.#changedAt ??= now;
    const settled = Math.min(now + FIREWALL_SETTLE_MS, this.#changedAt + FIREWALL_CHECK_MS);
    this.#look(Math.max(settled, this.#lookedAt + FIREWALL_CHECK_MS) - now);
  }

  #look(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#changedAt = undefined;
      this.#lookedAt = performance.now();
      try {
        const damage = this.#snapshot.damage(this.#sets.values());
        if (damage !== undefined) this.#repair(damage);
        this.#failure = undefined;
      } catch (error) {
        if (!(error instanceof SystemError || error instanceof NftablesError)) throw error;
        if (this.#failure !== error.message) {
          this.#options.onFailure(`Cannot make the table inet ${TABLE} anew: ${error.message}`);
        }
        this.#failure = error.message;
        this.#look(FIREWALL_CHECK_MS);
      }
    }, Math.max(0, delayMs)); // it may be late already, and the runtime would complain
  }

  #repair(damage: string): void {
    this.restore(this.#options.current());
    this.#options.onRepair(`${damage}: the table inet ${TABLE} has been made anew`);
  }
}
