/**
 * The other end of unix(7) datagrams, as a system logger or a service manager has it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { check, libc } from "../ffi/libc.ts";

const AF_UNIX = 1; // <sys/socket.h>
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;

/** A socket that keeps what it is sent. */
export class Datagrams implements Disposable {
  readonly #socket: number;
  readonly all: string[] = [];

  /** @param path in the file system, or a name in none behind an `@` */
  constructor(path: string) {
    this.#socket = check(libc().socket(AF_UNIX, SOCK_DGRAM, 0), "socket");
    const address = new TextEncoder().encode(`\x01\0${path.replace(/^@/, "\0")}`);
    check(libc().bind(this.#socket, address, address.length), `bind(${path})`);
  }

  /** All that came so far. */
  take(): string[] {
    const buffer = new Uint8Array(4096);
    for (;;) {
      const length = Number(libc().recv(this.#socket, buffer, 4096n, MSG_DONTWAIT));
      if (length < 0) return this.all;
      this.all.push(new TextDecoder().decode(buffer.subarray(0, length)));
    }
  }

  /** Waits for a datagram, and returns it. */
  async until(pattern: RegExp): Promise<string> {
    const deadline = performance.now() + 20_000;
    for (;;) {
      const found = this.take().find((text) => pattern.test(text));
      if (found !== undefined) return found;
      assert.ok(performance.now() < deadline, `no ${pattern} in ${JSON.stringify(this.all)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  [Symbol.dispose](): void {
    libc().close(this.#socket);
  }
}
