/**
 * Files that only grow.
 *
 * @module
 */
import { inFolder, refuseFifo } from "../files.ts";

/**
 * Opens a file for appending, and makes it and its parent folders when they are missing.
 *
 * @param mode of a file that is made
 * @throws {Error} of the file system, when that cannot be done, or when it is a FIFO
 */
export function openForAppend(path: string, mode: number): Deno.FsFile {
  refuseFifo(path);
  const options = { append: true, create: true, mode };
  return inFolder(path, () => Deno.openSync(path, options));
}
