/**
 * The part of the C library the program stands on: memory, descriptors, sockets and epoll.
 *
 * Pointers are `usize`, which is `bigint` here, and bytes move by `memcpy`: `Deno.UnsafePointerView`
 * and callbacks are refused under a scoped `--allow-ffi`, and cost garbage where they are not. A
 * bigint that goes straight into a call is never allocated by optimised code; a number in its place
 * leaves the fast path and takes ten times as long.
 *
 * @module
 */
import { openLibrary } from "./libraries.ts";

const SYMBOLS = {
  __errno_location: { parameters: [], result: "usize" },
  strerror: { parameters: ["i32"], result: "usize" }, // int errnum
  strnlen: { parameters: ["usize", "usize"], result: "usize" }, // const char *s, size_t maxlen
  copy_in: {
    name: "memcpy",
    parameters: ["buffer", "usize", "usize"], // void *dest, const void *src, size_t n
    result: "void",
  },
  open: { parameters: ["buffer", "i32"], result: "i32" }, // const char *path, int flags
  open_or_make: { // const char *path, int flags, mode_t mode
    name: "open",
    parameters: ["buffer", "i32", "u32"],
    result: "i32",
  },
  flock: { parameters: ["i32", "i32"], result: "i32" }, // int fd, int operation
  copy_out: {
    name: "memcpy",
    parameters: ["usize", "buffer", "usize"], // void *dest, const void *src, size_t n
    result: "void",
  },
  malloc: { parameters: ["usize"], result: "usize" }, // size_t size
  free: { parameters: ["usize"], result: "void" }, // void *ptr
  mmap: { // void *addr, size_t length, int prot, int flags, int fd, off_t offset
    parameters: ["usize", "usize", "i32", "i32", "i32", "i64"],
    result: "usize",
  },
  munmap: { parameters: ["usize", "usize"], result: "i32" }, // void *addr, size_t length
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" }, // int fd, void *buf, size_t count
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" }, // int fd, void *buf, size_t count, off_t offset
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" }, // int fd, const void *buf, size_t count
  close: { parameters: ["i32"], result: "i32" }, // int fd
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" }, // int domain, int type, int protocol
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" }, // int fd, const struct sockaddr *addr, socklen_t len
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" }, // int fd, const struct sockaddr *addr, socklen_t len
  setsockopt: { // int fd, int level, int name, const void *value, socklen_t len
    parameters: ["i32", "i32", "i32", "buffer", "u32"],
    result: "i32",
  },
  getsockopt: { // int fd, int level, int name, void *value, socklen_t *len
    parameters: ["i32", "i32", "i32", "buffer", "buffer"],
    result: "i32",
  },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" }, // int fd, const void *buf, size_t len, int flags
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" }, // int fd, void *buf, size_t len, int flags
  getnameinfo: { // const struct sockaddr *addr, socklen_t len, char *host, socklen_t, char *serv, socklen_t, int flags
    parameters: ["buffer", "u32", "buffer", "u32", "usize", "u32", "i32"],
    result: "i32",
    nonblocking: true,
  },
  getaddrinfo: { // const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res
    parameters: ["buffer", "usize", "buffer", "buffer"],
    result: "i32",
    nonblocking: true,
  },
  freeaddrinfo: { parameters: ["usize"], result: "void" }, // struct addrinfo *res
  gethostname: { parameters: ["buffer", "usize"], result: "i32" }, // char *name, size_t len
  pipe2: { parameters: ["buffer", "i32"], result: "i32" }, // int pipefd[2], int flags
  eventfd: { parameters: ["u32", "i32"], result: "i32" }, // unsigned int initval, int flags
  timerfd_create: { parameters: ["i32", "i32"], result: "i32" }, // int clockid, int flags
  timerfd_settime: { // int fd, int flags, const struct itimerspec *new_value, struct itimerspec *old_value
    parameters: ["i32", "i32", "buffer", "buffer"],
    result: "i32",
  },
  epoll_create1: { parameters: ["i32"], result: "i32" }, // int flags
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" }, // int epfd, int op, int fd, struct epoll_event *event
  epoll_wait: { // int epfd, struct epoll_event *events, int maxevents, int timeout (ms)
    parameters: ["i32", "buffer", "i32", "i32"],
    result: "i32",
    nonblocking: true,
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions of the C library, typed. */
export type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

let opened: Libc | undefined;

/**
 * The C library, opened at the first call.
 *
 * @throws {LibraryError} when no known libc can be opened
 */
export function libc(): Libc {
  return opened ??= openLibrary("libc", SYMBOLS).symbols;
}

/** A call into the C library that failed, with its errno. */
export class SystemError extends Error {
  override name = "SystemError";
  constructor(readonly call: string, readonly errno: number) {
    super(`${call}: ${strerror(errno)}`);
  }
}

/**
 * The one gate for results of the C library: gives `result` back, or throws what -1 stands for.
 *
 * errno is read by a second call, so it is right unless the runtime made a failing system call of
 * its own in between: good for messages, not for decisions.
 *
 * @throws {SystemError} when `result` is negative
 */
export function check(result: number | bigint, call: string): number {
  if (result < 0) throw new SystemError(call, errno());
  return Number(result);
}

/** The name of this host, as it calls itself; `localhost` when it has none. */
export function hostName(): string {
  const name = new Uint8Array(256); // HOST_NAME_MAX is 64, and POSIX allows 255
  check(libc().gethostname(name, BigInt(name.length - 1)), "gethostname");
  return new TextDecoder().decode(name.subarray(0, name.indexOf(0))) || "localhost";
}

/** The calling thread's errno. */
export function errno(): number {
  const value = new Int32Array(1);
  libc().copy_in(value, libc().__errno_location(), 4n);
  return value[0];
}

/** The NUL-terminated string at `address`, cut at 4096 bytes; empty for a null pointer. */
export function cString(address: bigint): string {
  if (address === 0n) return "";
  const length = libc().strnlen(address, 4096n);
  const bytes = new Uint8Array(Number(length));
  libc().copy_in(bytes, address, length);
  return new TextDecoder().decode(bytes);
}

/** `text` as a NUL-terminated buffer. */
export function toCString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text + "\0");
}

/** A NULL-terminated `char *[]` and its strings in one piece of foreign memory; free it as one. */
export function stringArray(strings: readonly string[]): bigint {
  const encoded = strings.map(toCString);
  const start = 8 * (strings.length + 1);
  const bytes = new Uint8Array(encoded.reduce((sum, { length }) => sum + length, start));
  const pointers = new DataView(bytes.buffer);
  const memory = libc().malloc(BigInt(bytes.length));
  let offset = start;
  encoded.forEach((text, i) => {
    pointers.setBigUint64(i * 8, memory + BigInt(offset), true);
    bytes.set(text, offset);
    offset += text.length;
  });
  libc().copy_out(memory, bytes, BigInt(bytes.length));
  return memory;
}

/** What an errno means, in the C library's words. */
export function strerror(code: number): string {
  // Made of what the kernel has sent: no error is -0, and the least number has no opposite.
  return cString(libc().strerror(code | 0));
}

const O_CLOEXEC = 0o2000000; // <bits/fcntl-linux.h>; O_RDONLY is 0
const O_NONBLOCK = 0o4000;
const READ_BYTES = 65_536;

/**
 * The text of a file of the system's. Deno's own file API refuses those under /proc and /sys to a
 * program without all permissions, and asks for one for every place a symbolic link may lead to.
 *
 * It never waits: a FIFO reads as empty, or as an error when somebody has it open.
 *
 * @param mostBytes how much of it is read
 * @throws {SystemError} when it cannot be read
 */
export function readSystemFile(path: string, mostBytes = Infinity): string {
  const { open, read, close } = libc();
  const fd = check(open(toCString(path), O_CLOEXEC | O_NONBLOCK), `open(${path})`);
  try {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(Math.min(READ_BYTES, mostBytes));
    let text = "";
    for (let left = mostBytes; left > 0;) {
      const most = Math.min(buffer.length, left);
      const length = check(read(fd, buffer, BigInt(most)), `read(${path})`);
      if (length === 0) break;
      text += decoder.decode(buffer.subarray(0, length), { stream: true });
      left -= length;
    }
    return text;
  } finally {
    close(fd);
  }
}
