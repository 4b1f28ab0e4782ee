/**
 * unix(7) datagrams that never block: what /dev/log takes.
 *
 * @module
 */
import { check, libc } from "./libc.ts";

const AF_UNIX = 1; // <sys/socket.h>
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SOCKADDR_UN_BYTES = 110; // struct sockaddr_un, <sys/un.h>

/** A socket connected to a datagram socket in the file system. */
export class UnixDatagram {
  readonly #socket: number;

  /** @throws {SystemError} when nobody listens at `path` */
  constructor(path: string) {
    const type = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    this.#socket = check(libc().socket(AF_UNIX, type, 0), "socket(AF_UNIX)");
    try {
      const address = new Uint8Array(SOCKADDR_UN_BYTES);
      new DataView(address.buffer).setUint16(0, AF_UNIX, true);
      address.set(new TextEncoder().encode(path).subarray(0, SOCKADDR_UN_BYTES - 3), 2);
      check(libc().connect(this.#socket, address, SOCKADDR_UN_BYTES), `connect(${path})`);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Sends one datagram; false when it was not taken, now or ever. */
  send(datagram: Uint8Array<ArrayBuffer>): boolean {
    const length = BigInt(datagram.length);
    return libc().send(this.#socket, datagram, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
  }

  close(): void {
    libc().close(this.#socket);
  }
}
