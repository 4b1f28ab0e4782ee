/**
 * Files and folders by descriptor, for whoever changes owners as root: a name can be made to mean
 * another file between two calls, a descriptor cannot.
 *
 * @module
 */
import { check, errno, libc, SystemError, toCString } from "./libc.ts";
import { openLibrary } from "./libraries.ts";

const SYMBOLS = {
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" }, // int dirfd, const char *path, int flags, mode_t mode
  mkdirat: { parameters: ["i32", "buffer", "u32"], result: "i32" }, // int dirfd, const char *path, mode_t mode
  readlinkat: { parameters: ["i32", "buffer", "buffer", "usize"], result: "i64" }, // int dirfd, const char *path, char *buf, size_t bufsiz
  statx: { // int dirfd, const char *path, int flags, unsigned int mask, struct statx *buf
    parameters: ["i32", "buffer", "i32", "u32", "buffer"],
    result: "i32",
  },
  fchown: { parameters: ["i32", "u32", "u32"], result: "i32" }, // int fd, uid_t owner, gid_t group
  access: { parameters: ["buffer", "i32"], result: "i32" }, // const char *path, int mode
  getcwd: { parameters: ["buffer", "usize"], result: "usize" }, // char *buf, size_t size
  syscall: { parameters: ["i64", "i64", "buffer", "usize"], result: "i64" }, // long number, …
} as const satisfies Deno.ForeignLibraryInterface;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

const AT_FDCWD = -100; // <linux/fcntl.h>
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff; // <linux/stat.h>
const STATX_BYTES = 256;
const SYS_GETDENTS64 = Deno.build.arch === "aarch64" ? 61n : 217n; // <asm/unistd.h>
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const PATH_MAX = 4096; // <linux/limits.h>
const X_OK = 1; // <unistd.h>
const W_OK = 2;
const R_OK = 4;

/** Flags of {@link openAt}, `<bits/fcntl-linux.h>`. */
export const Open = {
  Read: 0,
  Write: 1,
  ReadWrite: 2,
  Create: 0o100,
  NonBlocking: 0o4000,
  Append: 0o2000,
  ...(Deno.build.arch === "aarch64"
    ? { Directory: 0o40000, NoFollow: 0o100000 }
    : { Directory: 0o200000, NoFollow: 0o400000 }),
} as const;
const O_CLOEXEC = 0o2000000;

/** Errors that are decided by: `<asm-generic/errno-base.h>`. */
export const Errno = { NoEntry: 2, NoAccess: 13, Exists: 17, ReadOnly: 30, Loop: 40 } as const;

/** What the kernel knows of a file. */
export interface FileState {
  links: number;
  uid: number;
  gid: number;
  /** Permission bits, with the sticky bit. */
  mode: number;
  regular: boolean;
  /** Of the file system and in it: what tells one file from all others. */
  identity: string;
}

let opened: Library | undefined;

function library(): Library {
  return opened ??= openLibrary("libc", SYMBOLS).symbols;
}

/**
 * Opens a file.
 *
 * @param folder a descriptor in which a relative path starts; undefined for the current directory
 * @returns its descriptor, to be closed
 * @throws {SystemError} whose errno may be decided by: nothing runs between the call and the look at it
 */
export function openAt(folder: number | undefined, path: string, flags: number, mode = 0): number {
  const fd = library().openat(folder ?? AT_FDCWD, toCString(path), flags | O_CLOEXEC, mode);
  if (fd < 0) throw new SystemError(`open(${path})`, errno());
  return fd;
}

/** Makes a folder in a folder. @throws {SystemError} */
export function makeFolder(folder: number, name: string, mode: number): void {
  if (library().mkdirat(folder, toCString(name), mode) < 0) {
    throw new SystemError(`mkdir(${name})`, errno());
  }
}

/** Where a link in a folder leads; undefined when it is none. */
export function linkIn(folder: number, name: string): string | undefined {
  const buffer = new Uint8Array(PATH_MAX);
  const length = Number(library().readlinkat(folder, toCString(name), buffer, BigInt(PATH_MAX)));
  return length < 0 ? undefined : new TextDecoder().decode(buffer.subarray(0, length));
}

/** What is open at `fd`. @throws {SystemError} */
export function stateOf(fd: number): FileState {
  const view = new DataView(new ArrayBuffer(STATX_BYTES));
  const result = library().statx(fd, toCString(""), AT_EMPTY_PATH, STATX_BASIC_STATS, view);
  check(result, "statx");
  const mode = view.getUint16(28, true);
  return {
    links: view.getUint32(16, true),
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    mode: mode & 0o7777,
    regular: (mode & S_IFMT) === S_IFREG,
    identity: [view.getUint32(136, true), view.getUint32(140, true), view.getBigUint64(32, true)]
      .join(),
  };
}

/** Gives what is open at `fd` to another owner. @throws {SystemError} */
export function giveTo(fd: number, uid: number, gid: number): void {
  check(library().fchown(fd, uid, gid), "fchown");
}

/** Names in an open folder. @throws {SystemError} */
export function namesIn(folder: number): string[] {
  const names: string[] = [];
  const buffer = new Uint8Array(32_768);
  const view = new DataView(buffer.buffer);
  const decoder = new TextDecoder();
  for (;;) {
    const size = BigInt(buffer.length);
    const length = check(
      library().syscall(SYS_GETDENTS64, BigInt(folder), buffer, size),
      "getdents64",
    );
    if (length === 0) return names.filter((name) => name !== "." && name !== "..");
    // struct linux_dirent64: u64 inode, i64 offset, u16 length, u8 type, and the name with its NUL.
    for (let at = 0; at < length; at += view.getUint16(at + 16, true)) {
      const start = at + 19;
      names.push(decoder.decode(buffer.subarray(start, buffer.indexOf(0, start))));
    }
  }
}

/** Whether this thread's real user may do something with a file: access(2). */
export function mayAccess(path: string, what: ("read" | "write" | "execute")[]): boolean {
  const bits = { read: R_OK, write: W_OK, execute: X_OK };
  return library().access(toCString(path), what.reduce((mode, one) => mode | bits[one], 0)) === 0;
}

/** Where relative paths start. @throws {SystemError} when that folder is gone */
export function currentDirectory(): string {
  const buffer = new Uint8Array(PATH_MAX);
  if (library().getcwd(buffer, BigInt(PATH_MAX)) === 0n) throw new SystemError("getcwd", errno());
  return new TextDecoder().decode(buffer.subarray(0, buffer.indexOf(0)));
}

/** Closes a descriptor. */
export function closeFile(fd: number): void {
  libc().close(fd);
}
