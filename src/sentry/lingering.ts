/**
 * Connections that have got their banner, until the client has it too.
 *
 * @module
 */
import type { Poller } from "../../ffi/epoll.ts";
import { libc, SystemError } from "../../ffi/libc.ts";
import { finishSending, receiveNow } from "../../ffi/socket.ts";
import { LINGER_BYTES, LINGER_MS, LINGERING_CONNECTIONS } from "../limits.ts";

const READ_BYTES = 16 * 1024;

interface Connection {
  deadlineMs: number;
  /** Input thrown away so far. */
  bytes: number;
}

/**
 * Closes connections when the client has closed its side. To close one with input that nobody has
 * read, or that comes in later, resets it (RFC 9293, section 3.10.4), and a reset makes many clients
 * throw away what they have received: whoever asks first, as HTTP and SSH clients do, would never see
 * the banner. So the input is read and thrown away, within bounds of number, time and size: clients
 * that never close, or never stop sending, cost no more.
 */
export class LingeringConnections {
  readonly #poller: Poller;
  /** By descriptor, oldest first: all have the same time. */
  readonly #connections = new Map<number, Connection>();
  readonly #input = new Uint8Array(READ_BYTES);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(poller: Poller) {
    this.#poller = poller;
  }

  /** Takes a connection over, to close it in time. */
  add(fd: number): void {
    if (this.#connections.size >= LINGERING_CONNECTIONS) {
      const [oldest] = this.#connections.keys();
      this.#end(oldest);
    }
    finishSending(fd);
    this.#connections.set(fd, { deadlineMs: performance.now() + LINGER_MS, bytes: 0 });
    try {
      this.#poller.add(fd, () => this.#discardInput(fd));
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.#end(fd); // the kernel has no memory for more: the banner is sent, and must do
    }
    this.#timer ??= setTimeout(() => this.#endLate(), LINGER_MS);
  }

  /** Closes all of them now. */
  close(): void {
    clearTimeout(this.#timer);
    for (const fd of [...this.#connections.keys()]) this.#end(fd);
  }

  /** One read a turn: a client that sends without end does not keep the others waiting. */
  #discardInput(fd: number): void {
    const connection = this.#connections.get(fd);
    if (!connection) return;
    const count = receiveNow(fd, this.#input);
    connection.bytes += count;
    if (count <= 0 || connection.bytes > LINGER_BYTES) this.#end(fd);
  }

  #endLate(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    for (const [fd, { deadlineMs }] of this.#connections) {
      if (deadlineMs > nowMs) {
        this.#timer = setTimeout(() => this.#endLate(), deadlineMs - nowMs);
        return;
      }
      this.#end(fd);
    }
  }

  #end(fd: number): void {
    this.#connections.delete(fd);
    this.#poller.remove(fd);
    libc().close(fd);
  }
}
