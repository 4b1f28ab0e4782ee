/**
 * Locks that end with their process, however that ends: flock(2).
 *
 * @module
 */
import { check, errno, libc, SystemError, toCString } from "./libc.ts";

const O_RDWR = 0o2; // <bits/fcntl-linux.h>
const O_CREAT = 0o100;
const O_CLOEXEC = 0o2000000;
const O_NOFOLLOW = Deno.build.arch === "aarch64" ? 0o100000 : 0o400000;
const LOCK_EX = 2; // <sys/file.h>
const LOCK_NB = 4;
const EWOULDBLOCK = 11; // <asm-generic/errno.h>

/** A file that this process has locked. */
export class FileLock {
  private constructor(readonly path: string, readonly fd: number) {}

  /**
   * Locks a file, and makes it when it is not there; a link in its place is not followed. It stays when
   * the lock has ended: to remove it would let two others have a lock each.
   *
   * @returns undefined when another process has the lock
   * @throws {SystemError} when the file cannot be opened or made
   */
  static take(path: string): FileLock | undefined {
    const flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    const fd = check(libc().open_or_make(toCString(path), flags, 0o600), `open(${path})`);
    if (libc().flock(fd, LOCK_EX | LOCK_NB) === 0) return new FileLock(path, fd);
    const error = errno();
    libc().close(fd);
    if (error === EWOULDBLOCK) return undefined;
    throw new SystemError(`flock(${path})`, error);
  }

  /** Ends the lock. */
  release(): void {
    libc().close(this.fd);
  }
}
