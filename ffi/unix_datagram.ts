/**
 * unix(7) datagrams that never block: what /dev/log and a service manager take.
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
const PATH_OFFSET = 2; // struct sockaddr_un, <sys/un.h>
const PATH_BYTES = 108;
const AT = 0x40;

/** A socket connected to a datagram socket of another program. */
export class UnixDatagram {
  readonly #socket: number;

  /**
   * @param path in the file system; behind an `@`, a name that is in none
   * @throws {SystemError} when nobody listens there
   */
  constructor(path: string) {
    const type = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    this.#socket = check(libc().socket(AF_UNIX, type, 0), "socket(AF_UNIX)");
    try {
      const address = socketAddress(path);
      check(libc().connect(this.#socket, address, address.length), `connect(${path})`);
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

/** A path ends with a NUL. A name in no file system begins with one, and ends where the address does. */
function socketAddress(path: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(path).subarray(0, PATH_BYTES - 1);
  const abstract = bytes[0] === AT;
  const address = new Uint8Array(PATH_OFFSET + bytes.length + (abstract ? 0 : 1));
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(bytes, PATH_OFFSET);
  if (abstract) address[PATH_OFFSET] = 0;
  return address;
}
