/**
 * The addresses of hosts that the configuration names, because this host has to reach them: whoever
 * could have them blocked by a forged packet would silence its notifications.
 *
 * @module
 */
import { lookUpAddresses } from "../../ffi/host_addresses.ts";
import { parseNetwork } from "../config/network.ts";
import { NEEDED_ADDRESSES, NEEDED_HOSTS_MS } from "../limits.ts";

/** Looks names up again and again, until it is closed. */
export class NeededHosts {
  /** As text of their bytes, those that were seen last at the end: a name may have many in turn. */
  readonly #addresses = new Map<string, Uint8Array>();
  readonly #lookUp: typeof lookUpAddresses;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** @param hosts names and addresses, without brackets */
  constructor(readonly hosts: readonly string[], lookUp = lookUpAddresses) {
    this.#lookUp = lookUp;
    const names: string[] = [];
    for (const host of hosts) {
      const address = parseNetwork(host)?.address;
      if (address) this.#remember(address);
      else names.push(host);
    }
    if (names.length > 0) this.#look(names);
  }

  /** Addresses of 4 or 16 bytes. */
  get addresses(): Uint8Array[] {
    return [...this.#addresses.values()];
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** What a name stood for before goes on being spared: an answer may be a part of what there is. */
  async #look(names: readonly string[]): Promise<void> {
    for (const name of names) {
      for (const address of await this.#lookUp(name) ?? []) this.#remember(address);
    }
    if (!this.#closed) this.#timer = setTimeout(() => this.#look(names), NEEDED_HOSTS_MS);
  }

  #remember(address: Uint8Array): void {
    const key = address.toHex();
    this.#addresses.delete(key);
    this.#addresses.set(key, address);
    const [oldest] = this.#addresses.keys();
    if (this.#addresses.size > NEEDED_ADDRESSES) this.#addresses.delete(oldest);
  }
}
