import assert from "node:assert/strict";
import { AlreadyRunning, PidFile } from "../../src/daemon/pid_file.ts";

const HELD: [name: string, text: string, told: string][] = [
  ["the process that holds it", "4242\n", "another running portsentry, process 4242, "],
  ["no number where there is none", "", "another running portsentry "],
  ["nothing else that is in it", "1) \x1b[2J\nall is well", "another running portsentry "],
];

for (const [name, text, told] of HELD) {
  Deno.test(`PidFile.take() tells ${name}`, async () => {
    const path = Deno.makeTempFileSync();
    Deno.writeTextFileSync(path, text);
    using holder = Deno.openSync(path);
    await holder.lock(true);
    await assert.rejects(PidFile.take(path), (error) => {
      assert.ok(error instanceof AlreadyRunning);
      assert.equal(error.message, `${told}holds this file`);
      return true;
    });
    Deno.removeSync(path);
  });
}

for (const text of ["root:x:0:0\n", "4242\nx", `${" ".repeat(4000)}x`]) {
  Deno.test(`PidFile.take() leaves a file alone that holds ${JSON.stringify(text.slice(0, 12))}`, async () => {
    const path = Deno.makeTempFileSync();
    Deno.writeTextFileSync(path, text);
    await assert.rejects(PidFile.take(path), /holds something else than a process id/);
    assert.equal(Deno.readTextFileSync(path), text);
    Deno.removeSync(path);
  });
}

for (const left of ["", "1", "4242\n"]) {
  Deno.test(`PidFile.take() takes over a file that holds ${JSON.stringify(left)}`, async () => {
    const path = Deno.makeTempFileSync();
    Deno.writeTextFileSync(path, left);
    const file = await PidFile.take(path);
    assert.equal(Deno.readTextFileSync(path), `${Deno.pid}\n`);
    file.release();
    assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
  });
}

Deno.test("PidFile.release() leaves the file of another that has taken its place", async () => {
  const path = Deno.makeTempFileSync();
  const first = await PidFile.take(path);
  Deno.removeSync(path);
  const second = await PidFile.take(path);
  first.release();
  assert.equal(Deno.readTextFileSync(path), `${Deno.pid}\n`);
  second.release();
  assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
});
