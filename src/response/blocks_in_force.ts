/**
 * The blocks in force, as memory has them: whom they keep out, and which of them end first.
 *
 * @module
 */
import TinyQueue from "tinyqueue";
import { clearHostBits } from "../config/network.ts";
import { addressBytes, formatAddress } from "../packet/address.ts";
import type { BlockRecord } from "../state/state_file.ts";

/** A block. */
export interface InForce {
  record: BlockRecord;
  /** On the clock of performance.now(), which nobody sets; Infinity for ever. */
  endMs: number;
}

/** Ended entries, or those of blocks that were renewed, that may wait in the queue without need. */
const MOST_STALE = 1024;

/** Blocks by their hosts. One that has ended is not among them any more, whoever looks. */
export class BlocksInForce {
  readonly #byHost = new Map<string, InForce>();
  /** Of the IPv6 networks among them, now or before: BLOCK_PREFIX_IPV6 may have been another. */
  readonly #prefixes = new Set<number>();
  /** An entry whose block has been lifted or renewed meanwhile counts for nothing. */
  #ends = queueOf([]);
  #lifted = 0;

  get size(): number {
    this.#dropEnded();
    return this.#byHost.size;
  }

  /** How many have been lifted or have ended so far. */
  get lifted(): number {
    this.#dropEnded();
    return this.#lifted;
  }

  /** All of them, in no order. */
  all(): InForce[] {
    this.#dropEnded();
    return [...this.#byHost.values()];
  }

  /** @param host an address or a network, as a block has it */
  has(host: string): boolean {
    this.#dropEnded();
    return this.#byHost.has(host);
  }

  /** Whose block keeps a host out: its own, or its network's. */
  blockOf(host: string): string | undefined {
    if (this.has(host)) return host;
    if (!host.includes(":")) return undefined;
    for (const prefix of this.#prefixes) {
      const network = networkOf(host, prefix);
      if (this.#byHost.has(network)) return network;
    }
    return undefined;
  }

  /** Adds blocks; one of the same host is renewed. */
  add(entries: readonly InForce[]): void {
    for (const entry of entries) {
      this.#put(entry);
      this.#ends.push(entry);
    }
    this.#tidy();
  }

  /** Has these blocks and no others; nobody is counted as lifted for that. */
  replace(entries: readonly InForce[]): void {
    this.#byHost.clear();
    for (const entry of entries) this.#put(entry);
    this.#ends = queueOf(entries);
  }

  lift(hosts: readonly string[]): void {
    for (const host of hosts) if (this.#byHost.delete(host)) this.#lifted++;
    this.#tidy();
  }

  /** Hosts of the blocks that end first: so many of them, but for some. */
  firstToEnd(count: number, except: ReadonlySet<string>): string[] {
    const hosts: string[] = [];
    const looked: InForce[] = [];
    while (hosts.length < count && this.#ends.length > 0) {
      const first = this.#ends.pop()!;
      if (!this.#counts(first)) continue;
      looked.push(first);
      if (!except.has(first.record.host)) hosts.push(first.record.host);
    }
    for (const entry of looked) this.#ends.push(entry);
    return hosts;
  }

  #put(entry: InForce): void {
    const { host } = entry.record;
    this.#byHost.set(host, entry);
    const slash = host.indexOf("/");
    if (slash >= 0) this.#prefixes.add(Number(host.slice(slash + 1)));
  }

  #dropEnded(): void {
    const now = performance.now();
    for (let first = this.#ends.peek(); first && first.endMs <= now; first = this.#ends.peek()) {
      this.#ends.pop();
      if (this.#counts(first)) this.lift([first.record.host]);
    }
  }

  /** Whether an entry of the queue is of a block that is still in force. */
  #counts(entry: InForce): boolean {
    return this.#byHost.get(entry.record.host) === entry;
  }

  #tidy(): void {
    if (this.#ends.length <= 2 * this.#byHost.size + MOST_STALE) return;
    this.#ends = queueOf([...this.#byHost.values()]);
  }
}

function queueOf(entries: readonly InForce[]): TinyQueue<InForce> {
  return new TinyQueue([...entries], (a, b) => a.endMs - b.endMs);
}

/** The network of an IPv6 host, as blocks have it. */
export function networkOf(host: string, prefix: number): string {
  return `${formatAddress(6, clearHostBits(addressBytes(host), prefix))}/${prefix}`;
}
