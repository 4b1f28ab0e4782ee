/**
 * The blocks of the kernel firewall: whom, for how long, and until when. Memory, state file and kernel
 * say the same; each change reaches all three in one batch.
 *
 * @module
 */
import type { Config } from "../config/config.ts";
import { clearHostBits, type Network } from "../config/network.ts";
import type { Logger } from "../log/logger.ts";
import { addressBytes } from "../packet/address.ts";
import type { BlockRecord } from "../state/state_file.ts";
import { BlocksInForce, type InForce, networkOf } from "./blocks_in_force.ts";
import type { Block } from "./firewall.ts";
import type { StateKeeper } from "./state_keeper.ts";

/** What puts blocks into force. */
export interface KernelBlocks {
  /** Puts blocks in, again for a host that has one, and takes others out: all or nothing. */
  block(blocks: readonly Block[]): void;
  unblock(hosts: readonly string[]): void;
}

/** What blocks are made of. */
export interface BlocksParts {
  config: Config;
  firewall: KernelBlocks;
  state: StateKeeper;
  /** Whether a network holds a host that must never be blocked. */
  holdsProtected: (network: Network) => boolean;
  /** Has something done when the packets at hand are dealt with. */
  soon: (task: () => void) => void;
  log: Logger;
}

/** What came of a block: until when it lasts, or why there is none. */
export type BlockResult = { record: BlockRecord } | { failure: string };

interface Wanted {
  reason: string;
  seconds: number | undefined;
}

interface Waiting extends Wanted {
  promise: Promise<BlockResult>;
  tell: (result: BlockResult) => void;
}

/** All blocks in force. */
export class Blocks {
  #parts: BlocksParts;
  readonly #inForce = new BlocksInForce();
  #waiting = new Map<string, Waiting>();
  /** Whether a host of the packets at hand has been blocked already. */
  #gathering = false;
  #made = 0;

  constructor(parts: BlocksParts) {
    this.#parts = parts;
  }

  /** Goes by another configuration from the next block on; by its BLOCK_MAX at once. */
  reconfigure(config: Config): void {
    this.#parts = { ...this.#parts, config };
    this.#liftExcess();
  }

  get size(): number {
    return this.#inForce.size;
  }

  /** Blocks made and lifted since the start; those that have ended are lifted. */
  get counters(): { made: number; lifted: number } {
    return { made: this.#made, lifted: this.#inForce.lifted };
  }

  /** Blocks that wait to be put into force. */
  get queue(): number {
    return this.#waiting.size;
  }

  /** The blocks in force, those that end first come first. */
  list(): BlockRecord[] {
    return this.#inForce.all().sort((a, b) => a.endMs - b.endMs).map(({ record }) => record);
  }

  /** What the kernel should hold now. */
  *current(): Iterable<Block> {
    for (const { record, endMs } of this.#inForce.all()) yield kernelBlock(record.host, endMs);
  }

  /** Has the blocks that a state file remembers and no others, for the rest of their times. */
  restore(records: readonly BlockRecord[]): void {
    const wallMs = Date.now();
    const now = performance.now();
    this.#inForce.replace(
      records.map((record) => ({ record, endMs: now + remainingMs(record, wallMs) }))
        .filter(({ endMs }) => endMs > now),
    );
    this.#liftExcess();
  }

  /** @param host an address as events write it */
  has(host: string): boolean {
    return this.blockOf(host) !== undefined;
  }

  /** What of {@link list} keeps a host out: itself, or its network. */
  blockOf(host: string): string | undefined {
    return this.#inForce.blockOf(host);
  }

  /**
   * Blocks a host. The first of the packets at hand is blocked before this returns, so that a lone
   * scanner gets nothing more through; those behind it are blocked together, when all are dealt with:
   * a thousand hosts are two changes to the state file and two to the kernel.
   *
   * @param seconds how long; undefined goes by the configuration and what the host did before
   */
  block(host: string, reason: string, seconds?: number): BlockResult | Promise<BlockResult> {
    const target = this.#target(host);
    if (!this.#gathering) {
      this.#gathering = true;
      this.#parts.soon(() => this.#endGathering());
      return this.#blockAll([[target, { reason, seconds }]])[0];
    }
    const waiting = this.#waiting.get(target);
    if (waiting) {
      // What somebody has asked for by hand goes before what a probe would be answered with.
      if (seconds !== undefined) Object.assign(waiting, { reason, seconds });
      return waiting.promise;
    }
    const { promise, resolve } = Promise.withResolvers<BlockResult>();
    this.#waiting.set(target, { reason, seconds, promise, tell: resolve });
    return promise;
  }

  /**
   * Lifts blocks, and forgives their hosts.
   *
   * @param wanted chooses them
   * @returns the blocks there were
   * @throws {Error} when the kernel refuses; all of them stay, then
   */
  unblock(wanted: (record: BlockRecord) => boolean): BlockRecord[] {
    const lifted = this.list().filter(wanted);
    if (lifted.length === 0) return lifted;
    const hosts = lifted.map(({ host }) => host);
    this.#parts.firewall.unblock(hosts);
    this.#inForce.lift(hosts);
    this.#parts.state.forgive(hosts);
    return lifted;
  }

  /**
   * Moves the times of all blocks with the wall clock when that has been set, so that they end when
   * they were to end.
   */
  shiftClock(byMs: number): void {
    const moved = this.#inForce.all().map(({ record, endMs }) => {
      const { startMs, endMs: end } = record;
      const endOfRecord = end === undefined ? undefined : end + byMs;
      return { record: { ...record, startMs: startMs + byMs, endMs: endOfRecord }, endMs };
    });
    this.#inForce.replace(moved);
    this.#parts.state.replace();
  }

  #endGathering(): void {
    this.#gathering = false;
    const batch = [...this.#waiting];
    if (batch.length === 0) return;
    this.#waiting = new Map();
    const results = this.#blockAll(batch);
    batch.forEach(([, { tell }], i) => tell(results[i]));
  }

  /** @returns what came of each, in their order */
  #blockAll(batch: readonly [string, Wanted][]): BlockResult[] {
    const wallMs = Date.now();
    const now = performance.now();
    const entries = batch.slice(-this.#parts.config.blockMax).map(([host, { reason, seconds }]) =>
      this.#entry(host, reason, seconds, wallMs, now)
    );
    const failure = this.#putIntoForce(entries);
    const left = batch.length - entries.length;
    return batch.map((_, i) => {
      if (failure !== undefined) return { failure };
      if (i < left) return { failure: "there are more hosts at once than BLOCK_MAX" };
      return { record: entries[i - left].record };
    });
  }

  #entry(
    host: string,
    reason: string,
    seconds: number | undefined,
    wallMs: number,
    now: number,
  ): InForce {
    const count = this.#parts.state.blockCount(host, wallMs) + 1;
    const lastsS = seconds ?? this.#seconds(count);
    const lastsMs = lastsS === 0 ? Infinity : lastsS * 1000;
    const endMs = lastsS === 0 ? undefined : wallMs + lastsMs;
    return { record: { host, startMs: wallMs, endMs, reason, count }, endMs: now + lastsMs };
  }

  /** How long a host is blocked for the n-th time; 0 is for ever. */
  #seconds(count: number): number {
    const { blockTimeS, blockTimeGrowth, blockTimeMaxS } = this.#parts.config;
    return Math.min(Math.round(blockTimeS * blockTimeGrowth ** (count - 1)), blockTimeMaxS);
  }

  /**
   * Puts blocks into force, in the place of those that BLOCK_MAX does not allow beside them. The kernel
   * first: what is told to be blocked is, and a state file that cannot be written is no reason to let
   * anybody in. After a crash between the two the kernel is given what the file has.
   *
   * @returns why not
   */
  #putIntoForce(entries: readonly InForce[]): string | undefined {
    const { firewall, state, log } = this.#parts;
    const room = this.#makeRoom(entries);
    if (entries.length + room.length === 0) return undefined;
    try {
      if (room.length > 0) firewall.unblock(room);
      firewall.block(entries.map(({ record: { host }, endMs }) => ({
        ...kernelBlock(host, endMs),
        isNew: !this.#inForce.has(host),
      })));
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    this.#inForce.lift(room);
    this.#made += entries.length;
    this.#inForce.add(entries);
    state.add(entries.map(({ record }) => record), room);
    if (room.length > 0) {
      log.error(
        `BLOCK_MAX is reached: ${room.length} blocks that would have ended first are lifted`,
      );
    }
    return undefined;
  }

  /** Lifts what BLOCK_MAX does not allow any more; when that fails, the next block tries again. */
  #liftExcess(): void {
    const failure = this.#putIntoForce([]);
    if (failure !== undefined) this.#parts.log.error(`BLOCK_MAX: ${failure}`);
  }

  /** Hosts to lift so that these find room: those that would end first. */
  #makeRoom(entries: readonly InForce[]): string[] {
    const inForce = this.#inForce;
    const added = entries.filter(({ record }) => !inForce.has(record.host)).length;
    const excess = inForce.size + added - this.#parts.config.blockMax;
    return inForce.firstToEnd(excess, new Set(entries.map(({ record }) => record.host)));
  }

  /** What is blocked for a host: an IPv6 network, unless that holds a host to be spared. */
  #target(host: string): string {
    const { config: { blockPrefixIpv6: prefix }, holdsProtected } = this.#parts;
    if (!host.includes(":") || prefix === 128) return host;
    const address = clearHostBits(addressBytes(host), prefix);
    return holdsProtected({ address, prefix }) ? host : networkOf(host, prefix);
  }
}

function kernelBlock(host: string, endMs: number): Block {
  return { host, remainingMs: endMs === Infinity ? undefined : endMs - performance.now() };
}

/** What is left of a block; never more than it lasted in all, whatever was done to the clock. */
function remainingMs({ startMs, endMs }: BlockRecord, wallMs: number): number {
  return endMs === undefined ? Infinity : Math.min(endMs - wallMs, endMs - startMs);
}
