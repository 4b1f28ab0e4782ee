/**
 * Reverse-DNS names by getnameinfo(3), beside everything else: bounded in number and time, and
 * remembered.
 *
 * @module
 */
import { libc } from "../../ffi/libc.ts";
import {
  RESOLVE_AT_ONCE,
  RESOLVE_CACHE_ENTRIES,
  RESOLVE_CACHE_MS,
  RESOLVE_TIMEOUT_MS,
  RESOLVE_WAITERS,
} from "../limits.ts";
import { addressBytes } from "../packet/address.ts";

const AF_INET = 2; // <sys/socket.h>
const AF_INET6 = 10;
const NI_NAMEREQD = 8; // <netdb.h>
const NI_MAXHOST = 1025;

/** Asks for one name; undefined when there is none. */
export type Resolve = (address: Uint8Array) => Promise<string | undefined>;

/** Asks the system's resolver, on a thread of its own. */
export async function getNameInfo(address: Uint8Array): Promise<string | undefined> {
  const sockaddr = new DataView(new ArrayBuffer(28)); // struct sockaddr_in (16) or sockaddr_in6
  const four = address.length === 4;
  sockaddr.setUint16(0, four ? AF_INET : AF_INET6, true);
  new Uint8Array(sockaddr.buffer).set(address, four ? 4 : 8);
  const host = new Uint8Array(NI_MAXHOST);
  const error = await libc().getnameinfo(
    sockaddr,
    four ? 16 : 28,
    host,
    NI_MAXHOST,
    0n,
    0,
    NI_NAMEREQD,
  );
  return error === 0 ? new TextDecoder().decode(host.subarray(0, host.indexOf(0))) : undefined;
}

/**
 * A name as it may stand in an event. Whoever owns the address chooses what its name says: brackets,
 * blanks and control characters would forge a log line, and a name that is an address would put
 * another host in its place.
 */
export function harmlessName(name: string): string | undefined {
  const plain = name.replaceAll(/[^A-Za-z0-9._-]/g, "?");
  const isAddress = /^[0-9.]*$/.test(plain);
  return plain === "" || isAddress ? undefined : plain;
}

/** Finds names, and gives the address where there is none in time. */
export class HostNames {
  readonly #resolve: Resolve;
  readonly #known = new Map<string, { name: string; until: number }>();
  readonly #asked = new Map<string, Promise<string>>();
  readonly #queue: (() => void)[] = [];
  /** What each event that waits does when it is to wait no longer. */
  readonly #waiting = new Set<() => void>();
  #active = 0;
  #closed = false;

  constructor(resolve: Resolve = getNameInfo) {
    this.#resolve = resolve;
  }

  /**
   * The name of a host, at once when it is known.
   *
   * @param text the host's address, which stands for the name when there is none
   */
  nameOf(text: string): string | Promise<string> {
    const known = this.#known.get(text);
    if (known && known.until > performance.now()) return known.name;
    if (this.#closed || this.#waiting.size >= RESOLVE_WAITERS) return text;
    // Questions outlive the events that wait for them, so they have a bound of their own.
    if (!this.#asked.has(text) && this.#asked.size >= RESOLVE_WAITERS) return text;
    return this.#inTime(this.#ask(text), text);
  }

  /** Questions that wait or are under way: each may take the resolver's time, not the events'. */
  get questions(): number {
    return this.#asked.size;
  }

  /** Gives every event that waits its address, and asks no more. */
  close(): void {
    this.#closed = true;
    for (const giveUp of this.#waiting) giveUp();
  }

  /** Events of one host share one question. */
  #ask(text: string): Promise<string> {
    const asked = this.#asked.get(text);
    if (asked) return asked;
    const question = this.#answer(text);
    this.#asked.set(text, question);
    return question;
  }

  async #answer(text: string): Promise<string> {
    const lateMs = performance.now() + RESOLVE_TIMEOUT_MS;
    await this.#place();
    try {
      // Nobody waits for it any more, and others do for theirs.
      if (this.#closed || performance.now() > lateMs) return text;
      const found = await this.#resolve(addressBytes(text)).catch(() => undefined);
      const name = (found === undefined ? undefined : harmlessName(found)) ?? text;
      this.#remember(text, name);
      return name;
    } finally {
      this.#asked.delete(text);
      // A place is handed over, so that no other question can slip in between.
      const next = this.#queue.shift();
      if (next) next();
      else this.#active--;
    }
  }

  /** Waits for one of the few places. */
  async #place(): Promise<void> {
    if (this.#active < RESOLVE_AT_ONCE) this.#active++;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
  }

  #remember(text: string, name: string): void {
    this.#known.delete(text);
    if (this.#known.size >= RESOLVE_CACHE_ENTRIES) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    }
    this.#known.set(text, { name, until: performance.now() + RESOLVE_CACHE_MS });
  }

  async #inTime(question: Promise<string>, text: string): Promise<string> {
    const { promise: late, resolve } = Promise.withResolvers<string>();
    const giveUp = () => resolve(text);
    const timer = setTimeout(giveUp, RESOLVE_TIMEOUT_MS);
    this.#waiting.add(giveUp);
    try {
      return await Promise.race([question, late]);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(giveUp);
    }
  }
}
