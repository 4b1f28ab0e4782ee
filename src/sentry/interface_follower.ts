/**
 * Keeps a sentry's captures in step with the interfaces of the host.
 *
 * @module
 */
import type { Poller } from "../../ffi/epoll.ts";
import { SystemError } from "../../ffi/libc.ts";
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
  readonly #onFailure: (text: string) => void;
  /** What was told of the kernel's last refusal, so that it is told once. */
  #failure: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueAt = Infinity;

  /**
   * @param follow takes the interfaces; returns whether it is content with what it could do
   * @param onFailure takes why the interfaces cannot be listed, for now
   */
  constructor(
    poller: Poller,
    follow: (interfaces: Interface[]) => boolean,
    onFailure: (text: string) => void,
  ) {
    this.#poller = poller;
    this.#follow = follow;
    this.#onFailure = onFailure;
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
      if (!this.#look()) this.soon(INTERFACE_RETRY_MS);
    }, delayMs);
  }

  #look(): boolean {
    let interfaces: Interface[];
    try {
      interfaces = listInterfaces();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      // No descriptor or no memory is left: what is watched already goes on.
      if (this.#failure !== error.message) {
        this.#onFailure(`Cannot follow the interfaces: ${error.message}`);
      }
      this.#failure = error.message;
      return false;
    }
    this.#failure = undefined;
    return this.#follow(interfaces);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#poller.remove(this.#changes.fd);
    this.#changes.close();
  }
}
