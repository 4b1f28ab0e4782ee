/**
 * The hosts that have been blocked, in memory and in BLOCKED_FILE.
 *
 * The file is binary, one record a host: the address family as a native-endian 16-bit number, then
 * the 4 or 16 bytes of the address.
 *
 * @module
 */
import { BLOCKED_HOSTS } from "../limits.ts";
import { openForAppend } from "../log/append_file.ts";

const AF_INET = 2; // <sys/socket.h>
const AF_INET6 = 10;
const FAMILY_BYTES = 2;

/** An address as its bytes, 4 or 16. */
export type AddressBytes = Uint8Array;

/** What a blocked file holds. */
export interface ParsedBlockedFile {
  hosts: AddressBytes[];
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
  const hosts: AddressBytes[] = [];
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
export function blockedRecord(address: AddressBytes): Uint8Array<ArrayBuffer> {
  const record = new Uint8Array(FAMILY_BYTES + address.length);
  const family = address.length === 4 ? AF_INET : AF_INET6;
  new DataView(record.buffer).setUint16(0, family, true);
  record.set(address, FAMILY_BYTES);
  return record;
}

/** The blocked hosts; the oldest makes room when there are very many. */
export class BlockedSet {
  readonly #hosts = new Set<string>();
  #file: Deno.FsFile | undefined;
  /** Bytes of the file that are whole records: a write that failed half-way is undone to here. */
  #wholeBytes = 0;

  private constructor(readonly path: string) {}

  /**
   * Reads the file and repairs it when its last record was cut short. A file that is not there is
   * made with the first host, its folders too.
   *
   * @param onWarning takes what was repaired
   * @throws {NotABlockedFile} when the file holds something else; it is left as it is
   * @throws {Error} of the file system
   */
  static open(path: string, onWarning: (text: string) => void): BlockedSet {
    const set = new BlockedSet(path);
    const bytes = readIfThere(path);
    if (bytes === undefined) return set;
    const { hosts, wholeBytes } = parseBlockedFile(bytes);
    for (const host of hosts) set.#remember(keyOf(host));
    set.#wholeBytes = wholeBytes;
    if (wholeBytes < bytes.length) {
      Deno.truncateSync(path, wholeBytes);
      onWarning(`${path}: the last record was cut short and has been removed`);
    }
    return set;
  }

  get size(): number {
    return this.#hosts.size;
  }

  has(address: AddressBytes): boolean {
    return this.#hosts.has(keyOf(address));
  }

  /**
   * Adds a host to the set and the file.
   *
   * @throws {Error} of the file system; the host is in the set all the same
   */
  add(address: AddressBytes): void {
    const key = keyOf(address);
    if (this.#hosts.has(key)) return;
    this.#remember(key);
    this.#append(blockedRecord(address));
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #remember(key: string): void {
    if (this.#hosts.size >= BLOCKED_HOSTS) {
      for (const oldest of this.#hosts) {
        this.#hosts.delete(oldest);
        break;
      }
    }
    this.#hosts.add(key);
  }

  /** One record is one write; what a full disk took of it is taken back. */
  #append(record: Uint8Array): void {
    this.#file ??= openForAppend(this.path, 0o600);
    const written = this.#file.writeSync(record);
    if (written < record.length) {
      this.#file.truncateSync(this.#wholeBytes);
      throw new Error("no space left on device");
    }
    this.#wholeBytes += record.length;
  }
}

/** Addresses as set members: one character a byte. */
function keyOf(address: AddressBytes): string {
  return String.fromCharCode(...address);
}

function readIfThere(path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
