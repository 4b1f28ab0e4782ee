/**
 * The pidfile: who runs, held by a lock, so that a file a crash has left behind is in nobody's way.
 *
 * @module
 */

import { isNamed } from "../files.ts";

/** Another process holds the lock. */
export class AlreadyRunning extends Error {
  override name = "AlreadyRunning";
  constructor(readonly path: string, readonly pid: string) {
    super(`another running portsentry${pid ? `, process ${pid},` : ""} holds this file`);
  }
}

/** More than a number and its end of line take. */
const HEAD_BYTES = 32;

/** A pidfile of this process, locked until it is released or the process ends. */
export class PidFile {
  private constructor(readonly path: string, readonly file: Deno.FsFile) {}

  /**
   * Writes this process's id into a file that no other holds.
   *
   * @throws {AlreadyRunning} when one does
   * @throws {Error} of the file system, or when the file holds something else: it is left as it is
   */
  static async take(path: string): Promise<PidFile> {
    const file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o644 });
    if (!await file.tryLock(true)) {
      file.close();
      throw new AlreadyRunning(path, processIdOf(await Deno.readTextFile(path)));
    }
    // Whoever held it may have removed it between the two calls: then this lock is on no file.
    if ((await file.stat()).ino !== await inodeOf(path)) {
      file.close();
      return PidFile.take(path);
    }
    if (!holdsProcessId(file)) {
      file.close();
      throw new Error("it holds something else than a process id: name a file of its own");
    }
    await file.truncate();
    await file.seek(0, Deno.SeekMode.Start);
    await file.write(new TextEncoder().encode(`${Deno.pid}\n`));
    return new PidFile(path, file);
  }

  /** Removes the file, unless another has taken its place meanwhile, and lets go of the lock. */
  release(): void {
    try {
      if (isNamed(this.path, this.file.statSync())) Deno.removeSync(this.path);
    } catch {
      // Somebody has removed it already, or its folder is not this user's: then at least it names nobody.
      this.#empty();
    }
    this.file.close();
  }

  #empty(): void {
    try {
      this.file.truncateSync();
    } catch {
      // A disk that takes no change: the lock alone tells that nobody runs.
    }
  }
}

/**
 * The process id that a pidfile holds; empty when it is none. `-p` may name a file that others can
 * write: whatever else is in it must not reach a terminal or a log.
 */
export function processIdOf(text: string): string {
  return /^[1-9]\d{0,9}$/.exec(text.trim())?.[0] ?? "";
}

/**
 * Whether a file may be written over, and removed in the end: a slip in the name, or a link that
 * somebody has put in its place, must cost no file of others.
 */
function holdsProcessId(file: Deno.FsFile): boolean {
  const head = new Uint8Array(HEAD_BYTES);
  const length = file.readSync(head) ?? 0;
  return length < HEAD_BYTES &&
    /^\s*\d*\s*$/.test(new TextDecoder().decode(head.subarray(0, length)));
}

async function inodeOf(path: string): Promise<number | null> {
  try {
    return (await Deno.stat(path)).ino;
  } catch {
    return null;
  }
}
