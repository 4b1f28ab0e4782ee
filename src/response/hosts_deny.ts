/**
 * /etc/hosts.deny (hosts_access(5)): a line is added by writing the whole file anew beside it and
 * renaming that, so that a reader never sees half a file.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** The file tcp wrappers read. */
export const HOSTS_DENY = "/etc/hosts.deny";

/** The new file until it is renamed; a run that writes hosts.deny needs permission for both. */
export const HOSTS_DENY_NEW = "/etc/.hosts.deny.portsentry";

const OTHERS_MAY_WRITE = 0o002;
const MODE_BITS = 0o7777;
const DEFAULT_MODE = 0o644;

/** Adds lines one after the other, in the order they are asked for. */
export class HostsDeny {
  #last: Promise<unknown> = Promise.resolve();

  constructor(readonly path = HOSTS_DENY, readonly newPath = HOSTS_DENY_NEW) {}

  /**
   * Adds a line unless that very line is there.
   *
   * @returns undefined when the line is there now, else why not
   */
  add(line: string): Promise<string | undefined> {
    const turn = this.#last.then(() => this.#add(line)).catch((error: unknown) =>
      error instanceof Error ? error.message : String(error)
    );
    this.#last = turn;
    return turn;
  }

  async #add(line: string): Promise<string | undefined> {
    const info = await statIfThere(this.path);
    // Whoever can move the link's end, or write the file, would choose what root writes where.
    if (info?.isSymlink) return `${this.path} is a symbolic link and is left alone`;
    if (info && !info.isFile) return `${this.path} is not a file and is left alone`;
    if (((info?.mode ?? 0) & OTHERS_MAY_WRITE) !== 0) {
      return `${this.path} can be written by everyone and is left alone`;
    }
    // What others wrote is copied as bytes: it may be in any encoding.
    const bytes = info ? await Deno.readFile(this.path) : new Uint8Array(0);
    const text = new TextDecoder().decode(bytes);
    if (text.split("\n").includes(line)) return undefined;
    const separator = text === "" || text.endsWith("\n") ? "" : "\n";
    const added = new TextEncoder().encode(`${separator}${line}\n`);
    await this.#replace(Buffer.concat([bytes, added]), info);
    return undefined;
  }

  async #replace(bytes: Uint8Array, info: Deno.FileInfo | undefined): Promise<void> {
    // One that was left by a crash is in the way; a link that somebody put there is not followed.
    await Deno.remove(this.newPath).catch(() => {});
    const mode = (info?.mode ?? DEFAULT_MODE) & MODE_BITS;
    const file = await Deno.open(this.newPath, { write: true, createNew: true, mode });
    try {
      try {
        for (let sent = 0; sent < bytes.length;) sent += await file.write(bytes.subarray(sent));
        await file.syncData();
      } finally {
        file.close();
      }
      if (info) await Deno.chown(this.newPath, info.uid, info.gid);
      await Deno.chmod(this.newPath, mode);
      await Deno.rename(this.newPath, this.path);
    } catch (error) {
      await Deno.remove(this.newPath).catch(() => {});
      throw error;
    }
  }
}

async function statIfThere(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
