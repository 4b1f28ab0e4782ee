/**
 * unix(7) stream sockets, and who is at the other end of one.
 *
 * @module
 */
import { check, errno, libc, SystemError } from "./libc.ts";
import { openLibrary } from "./libraries.ts";

const SYMBOLS = {
  listen: { parameters: ["i32", "i32"], result: "i32" }, // int fd, int backlog
  accept4: { parameters: ["i32", "usize", "usize", "i32"], result: "i32" }, // int fd, struct sockaddr *addr, socklen_t *len, int flags
  umask: { parameters: ["u32"], result: "u32" }, // mode_t mask
  geteuid: { parameters: [], result: "u32" },
} as const satisfies Deno.ForeignLibraryInterface;

type Streams = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

const AF_UNIX = 1; // <sys/socket.h>
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17; // <asm-generic/socket.h>
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const EAGAIN = 11; // <asm-generic/errno-base.h>
const ENOENT = 2;
const ECONNREFUSED = 111; // <asm-generic/errno.h>
const SOCKADDR_UN_BYTES = 110; // struct sockaddr_un, <sys/un.h>
const UCRED_BYTES = 12; // struct ucred: pid, uid, gid
const BACKLOG = 8;

/** Most bytes of a socket's path, without the NUL at its end. */
export const UNIX_PATH_BYTES = 107;

let opened: Streams | undefined;

function streams(): Streams {
  return opened ??= openLibrary("libc", SYMBOLS).symbols;
}

/** The user this process acts as. */
export function effectiveUser(): number {
  return streams().geteuid();
}

/** One end of a connection. */
export class UnixStream {
  constructor(readonly fd: number) {}

  /**
   * Connects, to wait for each answer up to a time.
   *
   * @param limitMs the longest wait of one {@link receive} or {@link send}
   * @returns undefined when nobody listens there
   * @throws {SystemError} when this process may not connect
   */
  static connect(path: string, limitMs: number): UnixStream | undefined {
    const { socket, connect, setsockopt, close } = libc();
    const fd = check(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket(AF_UNIX)");
    const time = new BigInt64Array([ // struct timeval
      BigInt(Math.floor(limitMs / 1000)),
      BigInt(limitMs % 1000 * 1000),
    ]);
    for (const option of [SO_RCVTIMEO, SO_SNDTIMEO]) {
      setsockopt(fd, SOL_SOCKET, option, time, time.byteLength);
    }
    if (connect(fd, socketAddress(path), SOCKADDR_UN_BYTES) === 0) return new UnixStream(fd);
    const error = errno();
    close(fd);
    if (error === ENOENT || error === ECONNREFUSED) return undefined;
    throw new SystemError(`connect(${path})`, error);
  }

  /** The process at the other end, and its user, as they were when it connected or listened. */
  peer(): { process: number; user: number } {
    const credentials = new Uint32Array(UCRED_BYTES / 4);
    const length = new Uint32Array([UCRED_BYTES]);
    check(
      libc().getsockopt(this.fd, SOL_SOCKET, SO_PEERCRED, credentials, length),
      "getsockopt(SO_PEERCRED)",
    );
    return { process: credentials[0], user: credentials[1] };
  }

  /** @returns bytes received; 0 at the end; -1 when there are none, or the other end has failed */
  receive(buffer: Uint8Array<ArrayBuffer>): number {
    return Number(libc().recv(this.fd, buffer, BigInt(buffer.length), 0));
  }

  /**
   * @param wait whether to wait until there is room
   * @returns bytes taken; 0 when there is no room now, -1 when there never will be
   */
  send(bytes: Uint8Array<ArrayBuffer>, wait: boolean): number {
    const flags = MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT);
    const sent = Number(libc().send(this.fd, bytes, BigInt(bytes.length), flags));
    if (sent >= 0) return sent;
    return errno() === EAGAIN && !wait ? 0 : -1;
  }

  close(): void {
    libc().close(this.fd);
  }
}

/** A socket that takes connections. */
export class UnixListener {
  readonly fd: number;

  /**
   * Listens, for this user alone: other users may not even connect.
   *
   * @param path of the socket, with nothing there; or a name that begins with NUL, in no file system
   * @throws {SystemError} when it cannot be made
   */
  constructor(path: string) {
    const type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    this.fd = check(libc().socket(AF_UNIX, type, 0), "socket(AF_UNIX)");
    const before = streams().umask(0o177); // from the first moment on, not by a later chmod
    try {
      check(libc().bind(this.fd, socketAddress(path), SOCKADDR_UN_BYTES), `bind(${path})`);
      check(streams().listen(this.fd, BACKLOG), `listen(${path})`);
    } catch (error) {
      this.close();
      throw error;
    } finally {
      streams().umask(before);
    }
  }

  /** The next connection that waits; undefined when there is none. */
  accept(): UnixStream | undefined {
    const fd = streams().accept4(this.fd, 0n, 0n, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return fd < 0 ? undefined : new UnixStream(fd);
  }

  close(): void {
    libc().close(this.fd);
  }
}

function socketAddress(path: string): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(SOCKADDR_UN_BYTES);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(new TextEncoder().encode(path).subarray(0, UNIX_PATH_BYTES), 2);
  return address;
}
