/**
 * The hosts that have been blocked, in memory and in BLOCKED_FILE.
 *
 * The file is binary, one record a host: the address family as a native-endian 16-bit number, then
 * the 4 or 16 bytes of the address.
 *
 * @module
 */
import { infoOf, isNamed } from "../files.ts";
import { BLOCKED_HOSTS, BLOCKED_HOSTS_AT_ONCE } from "../limits.ts";
import { openForAppend } from "../log/append_file.ts";
import { addressBytes, formatBytes } from "../packet/address.ts";

const AF_INET = 2; // <sys/socket.h>
const AF_INET6 = 10;
const FAMILY_BYTES = 2;

/** What a blocked file holds. */
export interface ParsedBlockedFile {
  hosts: Uint8Array[];
  /** Length of the whole records, in bytes: what follows is a record cut short. */
  wholeBytes: number;
}

/** The file is none of ours: its records do not begin with an address family. */
export class NotABlockedFile extends Error {
  override name = "NotABlockedFile";
}

/**
 * Reads the records of a blocked file; a last one that is cut short is left out.
 *
 * @throws {NotABlockedFile} when a record has an unknown address family
 */
export function parseBlockedFile(bytes: Uint8Array): ParsedBlockedFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const hosts: Uint8Array[] = [];
  let offset = 0;
  while (offset + FAMILY_BYTES <= bytes.length) {
    const family = view.getUint16(offset, true); // x86_64 and arm64 are little-endian
    if (family !== AF_INET && family !== AF_INET6) {
      throw new NotABlockedFile(`the record at byte ${offset} has the address family ${family}`);
    }
    const end = offset + FAMILY_BYTES + (family === AF_INET ? 4 : 16);
    if (end > bytes.length) break;
    hosts.push(bytes.slice(offset + FAMILY_BYTES, end));
    offset = end;
  }
  return { hosts, wholeBytes: offset };
}

/** A host's record. */
export function blockedRecord(address: Uint8Array): Uint8Array<ArrayBuffer> {
  const record = new Uint8Array(FAMILY_BYTES + address.length);
  const family = address.length === 4 ? AF_INET : AF_INET6;
  new DataView(record.buffer).setUint16(0, family, true);
  record.set(address, FAMILY_BYTES);
  return record;
}

/** The blocked hosts; the oldest makes room when there are very many. */
export class BlockedSet {
  readonly #hosts = new Set<string>();
  /** Hosts that the file does not have, because the disk did not take them. */
  readonly #unwritten = new Set<string>();
  #file: Deno.FsFile | undefined;
  /** Of the file that was read or opened, so that one which has taken its name is told from it. */
  #info: Deno.FileInfo | undefined;
  /** Bytes of the file that are whole records: a write that failed half-way is undone to here. */
  #wholeBytes = 0;
  /** Whether something follows them: a record that was cut short. */
  #torn = false;

  private constructor(readonly path: string) {}

  /**
   * Reads the file, and changes nothing: see {@link repair}. A file that is not there is made with
   * the first host, its folders too.
   *
   * @throws {NotABlockedFile} when the file holds something else; it is left as it is
   * @throws {Error} of the file system
   */
  static open(path: string): BlockedSet {
    const set = new BlockedSet(path);
    set.#read();
    return set;
  }

  /**
   * Removes a last record that was cut short from the file.
   *
   * @param onWarning takes what was repaired, or could not be
   */
  repair(onWarning: (text: string) => void): void {
    if (!this.#torn) return;
    try {
      this.#removeTorn();
      onWarning(`${this.path}: the last record was cut short and has been removed`);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      onWarning(`${this.path}: the last record was cut short and cannot be removed: ${text}`);
    }
  }

  get size(): number {
    return this.#hosts.size;
  }

  /** @param host an address as the events write it */
  has(host: string): boolean {
    return this.#hosts.has(host);
  }

  /**
   * Adds a host to the set and the file, with those that the file did not take before.
   *
   * @throws {Error} of the file system; the host is in the set all the same
   */
  add(host: string): void {
    if (this.#hosts.has(host)) return;
    this.#remember(host);
    this.#unwritten.add(host);
    this.#write();
  }

  close(): void {
    try {
      this.#write();
    } catch {
      // That the file takes no more was told when they were added.
    }
    this.#closeFile();
  }

  /** A piece at a time: while the disk takes nothing, a host more costs no more than the one before. */
  #write(): void {
    while (this.#unwritten.size > 0) {
      const hosts = this.#unwritten.values().take(BLOCKED_HOSTS_AT_ONCE).toArray();
      const records = hosts.map((host) => blockedRecord(addressBytes(host)));
      const bytes = new Uint8Array(records.reduce((sum, { length }) => sum + length, 0));
      let offset = 0;
      for (const record of records) {
        bytes.set(record, offset);
        offset += record.length;
      }
      this.#append(bytes);
      for (const host of hosts) this.#unwritten.delete(host);
    }
  }

  #closeFile(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /** Takes over what the file has, and learns where the next record goes. */
  #read(): void {
    const info = infoOf(this.path);
    const bytes = readIfThere(this.path) ?? new Uint8Array(0);
    const { hosts, wholeBytes } = parseBlockedFile(bytes);
    this.#info = info;
    for (const host of hosts) this.#remember(formatBytes(host));
    this.#wholeBytes = wholeBytes;
    this.#torn = wholeBytes < bytes.length;
  }

  #remember(host: string): void {
    if (this.#hosts.size >= BLOCKED_HOSTS) {
      for (const oldest of this.#hosts) {
        this.#hosts.delete(oldest);
        this.#unwritten.delete(oldest);
        break;
      }
    }
    this.#hosts.add(host);
  }

  #removeTorn(): void {
    if (this.#torn) Deno.truncateSync(this.path, this.#wholeBytes);
    this.#torn = false;
  }

  /**
   * The file of that name, open. When somebody has put another in its place, what that has counts, too,
   * and it stays as it is when it is no blocked file. Hosts of before are still known, and are not
   * written again: maybe the file was deleted to forget them.
   */
  #follow(): Deno.FsFile {
    if (this.#info ? !isNamed(this.path, this.#info) : infoOf(this.path)) {
      this.#closeFile();
      this.#read();
    }
    if (this.#file) return this.#file;
    this.#removeTorn();
    this.#file = openForAppend(this.path, 0o600);
    this.#info = this.#file.statSync();
    return this.#file;
  }

  /** All is one write; what a full disk took of it is taken back. */
  #append(records: Uint8Array): void {
    const file = this.#follow();
    const written = file.writeSync(records);
    if (written < records.length) {
      file.truncateSync(this.#wholeBytes);
      throw new Error("no space left on device");
    }
    this.#wholeBytes += records.length;
  }
}

function readIfThere(path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
