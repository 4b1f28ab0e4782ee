/**
 * Connections are accepted also when descriptors are short.
 *
 * @module
 */
import type { Poller } from "../../ffi/epoll.ts";
import { libc, SystemError } from "../../ffi/libc.ts";
import { accept, type SocketAddress } from "../../ffi/socket.ts";
import { ACCEPT_RETRY_MS } from "../limits.ts";
import type { Listener } from "./listeners.ts";

const EFD_CLOEXEC = 0o2000000; // <sys/eventfd.h>

/**
 * Accepts with a spare descriptor when there is no other. A port stays ready while a connection waits
 * that cannot be had, so to go on waiting would take all of the CPU, and whoever holds many connections
 * open elsewhere would have silenced us. When even the spare one does not help, the port rests for a
 * moment, and the connection waits in the kernel.
 */
export class Acceptor {
  /** TCP ports whose connections could not be accepted, and are tried again in a moment. */
  readonly #paused = new Set<Listener>();
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** A descriptor to give up when there is no other; -1 when it has been given up. */
  #spare = -1;
  /** Whether the last try to accept a connection failed for want of a descriptor. */
  #short = false;
  #shortages = 0;

  /** @param watch waits for connections of a port again */
  constructor(readonly poller: Poller, readonly watch: (listener: Listener) => void) {
    this.refill();
  }

  /** How many times connections had to wait. */
  get shortages(): number {
    return this.#shortages;
  }

  /** Whether descriptors are left to keep connections open with. */
  get hasSpare(): boolean {
    return this.#spare >= 0;
  }

  /**
   * Takes a connection that waits.
   *
   * @param peer gets the client's address
   * @param known whether one is known to wait
   * @returns its descriptor, after which {@link refill} is called; -1 when none waits or none can be had
   */
  accept(listener: Listener, peer: SocketAddress, known: boolean): number {
    let fd = accept(listener.fd, peer);
    if (fd < 0 && known) fd = this.#acceptWithSpare(listener, peer);
    if (fd >= 0) this.#short = false;
    return fd;
  }

  /** Takes a spare descriptor again when there is one to be had. */
  refill(): void {
    if (this.#spare < 0) this.#spare = libc().eventfd(0, EFD_CLOEXEC);
  }

  /** A port is closed, and not to be tried again. */
  forget(listener: Listener): void {
    this.#paused.delete(listener);
  }

  close(): void {
    clearTimeout(this.#retry);
    if (this.#spare >= 0) libc().close(this.#spare);
    this.#spare = -1;
  }

  #acceptWithSpare(listener: Listener, peer: SocketAddress): number {
    if (this.#spare >= 0) {
      libc().close(this.#spare);
      this.#spare = -1;
      const fd = accept(listener.fd, peer);
      if (fd >= 0) return fd;
      this.refill();
    }
    if (!this.#short) this.#shortages++;
    this.#short = true;
    this.#paused.add(listener);
    this.poller.remove(listener.fd);
    this.#retry ??= setTimeout(() => this.#resume(), ACCEPT_RETRY_MS);
    return -1;
  }

  #resume(): void {
    this.#retry = undefined;
    this.refill();
    for (const listener of this.#paused) {
      try {
        this.watch(listener);
        this.#paused.delete(listener);
      } catch (error) {
        if (!(error instanceof SystemError)) throw error;
        this.#retry = setTimeout(() => this.#resume(), ACCEPT_RETRY_MS); // no memory, for now
        return;
      }
    }
  }
}
