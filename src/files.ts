/**
 * What is to be known of a file before it is opened, or while it is open.
 *
 * @module
 */

import { dirname } from "node:path";

const ENOENT = 2; // <asm-generic/errno-base.h>

/**
 * Opens or makes a file, and the folders on the way to it when they are missing. Folders that are there
 * are not asked for: this run may have the permission for the file alone.
 *
 * @param mode of folders that are made
 * @throws {Error} of `open`, or of the file system
 */
export function inFolder<T>(path: string, open: () => T, mode = 0o755): T {
  try {
    return open();
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound ||
      (error instanceof Error && "errno" in error && error.errno === ENOENT);
    if (!missing) throw error;
    Deno.mkdirSync(dirname(path), { recursive: true, mode });
    return open();
  }
}

/**
 * To open a FIFO is to wait until its other end is opened: maybe for ever, and with it the whole
 * program, signals included.
 *
 * @throws {Error} when `file` is one
 */
export function refuseFifo(file: string): void {
  if (infoOf(file)?.isFifo) throw new Error("it is a FIFO: name a file");
}

/** Whether an open file is still the one of a name: it may have been moved, deleted or replaced. */
export function isNamed(path: string, open: Deno.FileInfo): boolean {
  const named = infoOf(path);
  return named !== undefined && named.ino === open.ino && named.dev === open.dev;
}

/** What is there; undefined when that cannot be seen: whoever opens the file is told why not. */
export function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}

/** The file that a link leads to: all names of it are to mean the same. Any other path as it is. */
export function linkedFile(path: string): string {
  try {
    return Deno.lstatSync(path).isSymlink ? Deno.realPathSync(path) : path;
  } catch {
    return path; // what is there, if anything, whoever opens it is told
  }
}
