import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { GZIP_PIECE_BYTES } from "../../src/limits.ts";
import { openSource } from "../../src/sentry/savefile_source.ts";
import { SavefileError } from "../../src/sentry/savefile_window.ts";
import { bytes } from "../frames.ts";

/** A file that gives `piece` bytes at a time. */
function fileOf(content: Uint8Array, piece: number) {
  let offset = 0;
  return {
    get taken() {
      return offset;
    },
    read(into: Uint8Array): Promise<number | null> {
      const part = content.subarray(offset, offset + Math.min(piece, into.length));
      into.set(part);
      offset += part.length;
      return Promise.resolve(part.length > 0 ? part.length : null);
    },
  };
}

/** All there is to read, in a small room, and the error at the end of it. */
async function readAll(content: Uint8Array, piece = content.length) {
  const parts: Uint8Array[] = [];
  const room = new Uint8Array(1000);
  try {
    const source = await openSource(fileOf(content, piece));
    for (let count; (count = await source.read(room)) > 0;) parts.push(room.slice(0, count));
    return { content: bytes(...parts) };
  } catch (error) {
    return { content: bytes(...parts), error };
  }
}

const TEXT = Uint8Array.from({ length: 20_000 }, (_, i) => i * i ^ i * i >> 7);

Deno.test("openSource() gives the bytes of a plain file, however they come", async () => {
  for (const piece of [1, 7, 20_000]) {
    assert.deepEqual(await readAll(TEXT, piece), { content: TEXT });
  }
  for (const short of [[], [0x1f], [1, 2]]) {
    assert.deepEqual(await readAll(bytes(short), 1), { content: bytes(short) });
  }
});

Deno.test("openSource() unpacks what is compressed, all its members", async () => {
  const packed = gzipSync(TEXT);
  for (const piece of [1, 7, 20_000]) {
    assert.deepEqual(await readAll(packed, piece), { content: TEXT });
  }
  assert.deepEqual(await readAll(bytes(packed, packed)), { content: bytes(TEXT, TEXT) });
});

Deno.test("openSource() gives what is whole of cut or damaged gzip data, and says so", async () => {
  const packed = gzipSync(TEXT);
  const cut = await readAll(packed.subarray(0, packed.length / 2));
  assert.ok(cut.content.length > 0 && cut.content.length < TEXT.length);
  assert.deepEqual(cut.content, TEXT.slice(0, cut.content.length));
  const damaged = await readAll(packed.with(packed.length - 8, packed[packed.length - 8] ^ 1));
  for (const { error } of [cut, damaged, await readAll(bytes([0x1f, 0x8b, 1, 2, 3, 4]))]) {
    assert.ok(error instanceof SavefileError, String(error));
    assert.match(error.message, /^Its gzip data is damaged or cut short: /);
  }
});

Deno.test("openSource() waits for whoever reads: a small file that unpacks to much stays small", async () => {
  const zeros = gzipSync(new Uint8Array(64 * 1024 * 1024));
  const file = fileOf(zeros, zeros.length);
  const source = await openSource(file);
  const room = new Uint8Array(1000);
  await source.read(room);
  // All that would be unpacked meanwhile is.
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setTimeout(resolve));
  assert.ok(file.taken <= GZIP_PIECE_BYTES && file.taken < zeros.length / 2, `${file.taken} bytes`);
  while (await source.read(room) > 0);
});

Deno.test("openSource() hands on what the file system says", async () => {
  const failing = { read: () => Promise.reject(new Deno.errors.IsADirectory("a folder")) };
  await assert.rejects(openSource(failing), Deno.errors.IsADirectory);
});
