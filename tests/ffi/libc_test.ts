import assert from "node:assert/strict";
import { readSystemFile, SystemError } from "../../ffi/libc.ts";
import { run } from "../system/network.ts";

Deno.test("readSystemFile() reads no more than it may, also of a file without an end", () => {
  assert.equal(readSystemFile("/dev/zero", 100_000).length, 100_000);
  assert.equal(readSystemFile("/dev/zero", 5), "\0".repeat(5));
  const file = Deno.makeTempFileSync();
  Deno.writeTextFileSync(file, "nämlich\n".repeat(20_000));
  assert.equal(readSystemFile(file), "nämlich\n".repeat(20_000));
  Deno.removeSync(file);
});

Deno.test("readSystemFile() waits for no writer of a FIFO, and says what is no file", async () => {
  const folder = Deno.makeTempDirSync();
  await run(["mkfifo", `${folder}/fifo`]);
  assert.equal(readSystemFile(`${folder}/fifo`), "");
  const writer = Deno.openSync(`${folder}/fifo`, { read: true, write: true });
  assert.throws(() => readSystemFile(`${folder}/fifo`), SystemError);
  writer.close();
  assert.throws(() => readSystemFile(folder), { message: `read(${folder}): Is a directory` });
  Deno.removeSync(folder, { recursive: true });
});
