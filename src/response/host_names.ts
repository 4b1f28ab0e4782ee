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
  #active = 0;
  #waiters = 0;

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
    if (this.#waiters >= RESOLVE_WAITERS) return text;
    this.#waiters++;
    return this.#inTime(this.#ask(text), text).finally(() => this.#waiters--);
  }

  /** Events of one host share one question. */
  #ask(text: string): Promise<string> {
    const asked = this.#asked.get(text);
    if (asked) return asked;
    const question = this.#place().then(() => this.#resolve(addressBytes(text))).then(
      (name) => (name === undefined ? undefined : harmlessName(name)) ?? text,
      () => text,
    ).then((name) => {
      this.#active--;
      this.#queue.shift()?.();
      this.#asked.delete(text);
      this.#remember(text, name);
      return name;
    });
    this.#asked.set(text, question);
    return question;
  }

  /** Waits for one of the few places. */
  async #place(): Promise<void> {
    if (this.#active >= RESOLVE_AT_ONCE) {
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
    this.#active++;
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
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(text), RESOLVE_TIMEOUT_MS);
    });
    try {
      return await Promise.race([question, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
