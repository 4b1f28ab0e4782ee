/**
 * Writes a page where somebody may be looking at the one before: all of it, or nothing.
 *
 * @module
 */
import { closeSync, fchmodSync, fchownSync, fsyncSync, openSync, writeSync } from "node:fs";

/** Who has scanned a host is nobody's business but its owner's, who may allow more. */
const NEW_MODE = 0o600;
const MODE_BITS = 0o7777;

/** What is written before it takes the file's name; tools/permissions.sh allows it. */
export const NEW_SUFFIX = ".new";

/**
 * Writes `text` to a file beside `path` and renames that. A file that is there keeps its owner and mode.
 *
 * @throws {Error} when it is something else than a file, or the folder takes none
 */
export function writePage(path: string, text: string): void {
  const before = lstatIfThere(path);
  // /dev/stdout and its like would not be there any more.
  if (before && !before.isFile) throw new Error("it is there already, and is no file");
  const next = path + NEW_SUFFIX;
  // One that was left by a crash is in the way; a link that somebody put there is not followed.
  if (lstatIfThere(next)) Deno.removeSync(next);
  const file = openSync(next, "wx", NEW_MODE);
  try {
    try {
      const bytes = new TextEncoder().encode(text);
      for (let sent = 0; sent < bytes.length;) sent += writeSync(file, bytes.subarray(sent));
      // The file itself: who may write in the folder could put a link in its place by now, and be given
      // what that leads to.
      if (before) {
        fchownSync(file, before.uid ?? 0, before.gid ?? 0);
        fchmodSync(file, (before.mode ?? NEW_MODE) & MODE_BITS);
      }
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    Deno.renameSync(next, path);
  } catch (error) {
    Deno.removeSync(next);
    throw error;
  }
}

function lstatIfThere(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
