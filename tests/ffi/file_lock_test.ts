import assert from "node:assert/strict";
import { FileLock } from "../../ffi/file_lock.ts";
import { SystemError } from "../../ffi/libc.ts";

Deno.test("FileLock.take() gives a file to one, follows no link, and says what cannot be made", () => {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/lock`;
  const first = FileLock.take(path);
  assert.ok(first);
  assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  assert.equal(FileLock.take(path), undefined);
  first.release();
  const second = FileLock.take(path);
  assert.ok(second);
  second.release();
  Deno.symlinkSync(path, `${folder}/link`);
  assert.throws(() => FileLock.take(`${folder}/link`), SystemError);
  assert.throws(() => FileLock.take(`${folder}/none/lock`), SystemError);
  Deno.removeSync(folder, { recursive: true });
});
