/**
 * Keeps a sentry's captures in step with the interfaces of the host.
 *
 * @module
 */
import type { Poller } from "../../ffi/epoll.ts";
import { LinkChanges } from "../../ffi/netlink.ts";
import { INTERFACE_RETRY_MS, INTERFACE_SETTLE_MS } from "../limits.ts";
import { type Interface, listInterfaces } from "./interfaces.ts";

/**
 * Lists the interfaces anew a moment after the kernel has said that something changed, and again
 * every second while not all of them can be watched.
 */
export class InterfaceFollower {
  readonly #poller: Poller;
  readonly #changes = new LinkChanges();
  readonly #follow: (interfaces: Interface[]) => boolean;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueAt = Infinity;

  /** @param follow takes the interfaces; returns whether it is content with what it could do */
  constructor(poller: Poller, follow: (interfaces: Interface[]) => boolean) {
    this.#poller = poller;
    this.#follow = follow;
    poller.add(this.#changes.fd, () => {
      this.#changes.drain();
      this.soon();
    });
  }

  /** Asks for a look at the interfaces: changes come in bunches, so one look serves all of one. */
  soon(delayMs = INTERFACE_SETTLE_MS): void {
    const dueAt = performance.now() + delayMs;
    if (dueAt >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => {
      this.#dueAt = Infinity;
      if (!this.#follow(listInterfaces())) this.soon(INTERFACE_RETRY_MS);
    }, delayMs);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#poller.remove(this.#changes.fd);
    this.#changes.close();
  }
}
