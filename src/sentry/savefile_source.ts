/**
 * Where the bytes of a capture file come from: a file or standard input, compressed or not.
 *
 * @module
 */
import { GZIP_PIECE_BYTES, UNPACKED_PIECE_BYTES } from "../limits.ts";
import { SavefileError } from "./savefile_window.ts";

/** Bytes, from the first to the last. */
export interface ByteSource {
  /**
   * Puts the next ones into `room`, as many as are there.
   *
   * @returns how many; 0 at the end
   * @throws {SavefileError} when they are damaged
   * @throws {Error} of the file system
   */
  read(room: Uint8Array): Promise<number>;
}

/** An open file or stream. */
export interface Readable {
  read(into: Uint8Array): Promise<number | null>;
}

const GZIP_MAGIC = [0x1f, 0x8b]; // RFC 1952, section 2.3.1

/** Looks at the first bytes: what is compressed is unpacked, whatever its name. */
export async function openSource(file: Readable): Promise<ByteSource> {
  const first = new Uint8Array(GZIP_PIECE_BYTES);
  let length = 0;
  while (length < GZIP_MAGIC.length) {
    const count = await file.read(first.subarray(length));
    if (count === null) break;
    length += count;
  }
  const plain = new PlainSource(file, first.subarray(0, length));
  const compressed = GZIP_MAGIC.every((byte, i) => i < length && first[i] === byte);
  return compressed ? await unpack(plain) : plain;
}

/** A file whose first bytes have been read already. */
class PlainSource implements ByteSource {
  readonly #file: Readable;
  #left: Uint8Array;

  constructor(file: Readable, left: Uint8Array) {
    this.#file = file;
    this.#left = left;
  }

  async read(room: Uint8Array): Promise<number> {
    if (this.#left.length === 0) return await this.#file.read(room) ?? 0;
    const count = Math.min(room.length, this.#left.length);
    room.set(this.#left.subarray(0, count));
    this.#left = this.#left.subarray(count);
    return count;
  }
}

/**
 * Unpacks by zlib, one small piece after the other, as somebody reads: a piece becomes a thousand
 * times as much at most, and never waits for another. What is whole before a damage is given, too.
 */
async function unpack(source: ByteSource): Promise<ByteSource> {
  // A capture that is not compressed does not wait for these.
  const { createGunzip } = await import("node:zlib");
  const gunzip = createGunzip({ chunkSize: UNPACKED_PIECE_BYTES });
  return new UnpackedSource(source, gunzip);
}

/** What is used of zlib's stream. */
interface Unpacker {
  on(event: "data", take: (piece: Uint8Array) => void): unknown;
  on(event: "error", take: (error: Error) => void): unknown;
  on(event: "close", take: () => void): unknown;
  write(piece: Uint8Array, done: () => void): unknown;
  end(): unknown;
}

class UnpackedSource implements ByteSource {
  readonly #source: ByteSource;
  readonly #unpacker: Unpacker;
  /** What has been unpacked and not been read, in its order. */
  #pieces: Uint8Array[] = [];
  #error: Error | undefined;
  #closed = false;
  #wake = () => {};

  constructor(source: ByteSource, unpacker: Unpacker) {
    this.#source = source;
    this.#unpacker = unpacker;
    unpacker.on("data", (piece) => this.#pieces.push(piece));
    unpacker.on("error", (error) => this.#error = error);
    unpacker.on("close", () => {
      this.#closed = true;
      this.#wake();
    });
  }

  async read(room: Uint8Array): Promise<number> {
    while (this.#pieces.length === 0 && !this.#closed) await this.#unpackMore();
    const [piece] = this.#pieces;
    if (piece === undefined) return this.#end();
    const count = Math.min(room.length, piece.length);
    room.set(piece.subarray(0, count));
    if (count === piece.length) this.#pieces.shift();
    else this.#pieces[0] = piece.subarray(count);
    return count;
  }

  #end(): 0 {
    if (this.#error === undefined) return 0;
    throw new SavefileError(`Its gzip data is damaged or cut short: ${this.#error.message}`);
  }

  async #unpackMore(): Promise<void> {
    const piece = new Uint8Array(GZIP_PIECE_BYTES);
    const count = await this.#source.read(piece);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#closed) resolve();
      else if (count === 0) this.#unpacker.end();
      else this.#unpacker.write(piece.subarray(0, count), resolve);
    });
  }
}
