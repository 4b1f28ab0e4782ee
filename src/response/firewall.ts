/**
 * Blocks hosts in the kernel's own firewall, in the table `inet portsentry` and nowhere else: there
 * they end by themselves, also when this program has died.
 *
 * @module
 */
import type { Poller } from "../../ffi/epoll.ts";
import { SystemError } from "../../ffi/libc.ts";
import { NftElements } from "../../ffi/nft_elements.ts";
import { RulesetChanges } from "../../ffi/nft_changes.ts";
import { NftQuery } from "../../ffi/nft_query.ts";
import { Nftables, NftablesError } from "../../ffi/nftables.ts";
import { FIREWALL_CHECK_MS, FIREWALL_SETTLE_MS, FIREWALL_SMALL } from "../limits.ts";
import { refusal } from "./firewall_error.ts";
import {
  type Block,
  type BlockSet,
  CHAIN,
  creation,
  definition,
  deletion,
  elementCommand,
  type Elements,
  elementsOf,
  HOST_SETS,
  keyBytes,
  MARK,
  newElements,
  TABLE,
  targetOf,
} from "./firewall_table.ts";

export type { Block } from "./firewall_table.ts";
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

/** The table as it was after our own last change of its rules. */
interface Snapshot {
  handle: bigint | undefined;
  /** {@link NftQuery.rules}, a line each. */
  rules: string;
}

/**
 * The hosts blocked in the kernel. Each method is one transaction: all of it holds afterwards, or
 * nothing has changed and it throws.
 */
export class Firewall {
  readonly #options: FirewallOptions;
  readonly #nft: Nftables;
  readonly #query: NftQuery;
  readonly #elements = new NftElements(TABLE);
  readonly #changes: RulesetChanges;
  /** The sets of the table, by name. */
  #sets = new Map<string, BlockSet>();
  /** Undefined until {@link restore} has made the table. */
  #snapshot: Snapshot | undefined;
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
   * Makes the table anew, with these blocks and no others. Packets meet the old table or the new one,
   * never none.
   *
   * @throws {RangeError} when a host is none
   * @throws {NftablesError} when the kernel refuses
   */
  restore(blocks: Iterable<Block>): void {
    const elements = elementsOf(blocks);
    const sets = new Map([...HOST_SETS, ...elements.map(({ set }) => set)].map((set) => [
      set.name,
      set,
    ]));
    this.#run(
      deletion() + creation() + [...sets.values()].map(definition).join("") +
        elements.map(({ set, timed }) => elementCommand("add", set, timed)).join(""),
    );
    this.#sets = sets;
    this.#takeSnapshot();
  }

  /**
   * Blocks some hosts. One that is blocked already is so for the new time.
   *
   * @throws {RangeError} when a host is none
   * @throws {NftablesError} when the kernel refuses
   */
  block(blocks: readonly Block[]): void {
    const fresh = newElements(blocks);
    if (!fresh?.every(({ set }) => this.#sets.has(set))) this.#blockAny(elementsOf(blocks));
    // To find out whether a change is ours takes as long as the change: a small one is looked at like
    // somebody else's, a moment later.
    else if (blocks.length <= FIREWALL_SMALL) this.#withRepair(() => this.#elements.add(fresh));
    else this.#withRepair(() => this.#transact(() => this.#elements.add(fresh)));
  }

  #blockAny(elements: readonly Elements[]): void {
    this.#withRepair(() => {
      const added = elements.map(({ set }) => set).filter(({ name }) => !this.#sets.has(name));
      // An element keeps its timeout when it is added again (before Linux 6.12): so it is removed in
      // between, and is there throughout for the packets. What is removed must be there.
      const commands = elements.map(({ set, known, timed }) =>
        elementCommand("add", set, known) + elementCommand("delete", set, known) +
        elementCommand("add", set, timed)
      );
      if (commands.length === 0) return;
      this.#run(added.map(definition).join("") + commands.join(""));
      if (added.length === 0) return;
      for (const set of added) this.#sets.set(set.name, set);
      this.#takeSnapshot();
    });
  }

  /**
   * Unblocks some hosts. One that is not blocked is no error.
   *
   * @throws {RangeError} when a host is none
   * @throws {NftablesError} when the kernel refuses
   */
  unblock(hosts: Iterable<string>): void {
    const elements = elementsOf(Array.from(hosts, (host) => ({ host, remainingMs: undefined })));
    this.#withRepair(() => {
      const commands = elements.filter(({ set }) => this.#sets.has(set.name))
        .map(({ set, keys }) =>
          elementCommand("add", set, keys) + elementCommand("delete", set, keys)
        );
      if (commands.length > 0) this.#run(commands.join(""));
    });
  }

  /**
   * Whether the kernel blocks this very host or network; one that is in a blocked network does not
   * count.
   *
   * @throws {RangeError} when it is neither an address nor a network
   */
  holds(host: string): boolean {
    const { set, text } = targetOf(host);
    return this.#query.hasElement(TABLE, set.name, keyBytes(text));
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

  #run(commands: string): void {
    this.#transact(() => this.#nft.run(commands));
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
      const damage = this.#damage();
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
        const damage = this.#damage();
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
    }, delayMs);
  }

  #repair(damage: string): void {
    this.restore(this.#options.current());
    this.#options.onRepair(`${damage}: the table inet ${TABLE} has been made anew`);
  }

  /** What is wrong with the table, or undefined. One element that is missing was somebody's wish. */
  #damage(): string | undefined {
    const before = this.#snapshot;
    if (!before) return undefined; // there was no restore() yet
    const table = this.#query.table(TABLE);
    if (!table) return "The firewall's rules were deleted from outside";
    if (table.handle !== before.handle) return "The firewall's rules were replaced from outside";
    if (table.flags !== 0) return "The firewall's rules were switched off from outside";
    if (this.#rules() !== before.rules) return "The firewall's rules were changed from outside";
    for (const set of this.#sets.values()) {
      if (!this.#query.hasElement(TABLE, set.name, keyBytes(MARK[set.version]))) {
        return `The firewall's set ${set.name} was flushed from outside`;
      }
    }
    return undefined;
  }

  #rules(): string {
    return this.#query.rules(TABLE, CHAIN).join("\n");
  }

  #takeSnapshot(): void {
    const handle = this.#query.table(TABLE)?.handle;
    const rules = this.#rules();
    // Somebody may have been faster: then no table is like this one, and the next look mends it.
    const whole = handle !== undefined && rules.split("\n").length === this.#sets.size;
    this.#snapshot = { handle: whole ? handle : undefined, rules };
  }
}
