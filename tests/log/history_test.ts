import assert from "node:assert/strict";
import { FollowedFile } from "../../src/log/followed_file.ts";
import { History } from "../../src/log/history.ts";

Deno.test("History appends behind whole lines, and begins a new one behind a line cut short", async () => {
  const path = Deno.makeTempFileSync();
  const files: [before: string, after: RegExp][] = [
    ["", /^event\n$/],
    ["whole\n", /^whole\nevent\n$/],
    ["whole\ncut", /^whole\ncut\nevent\n$/],
  ];
  for (const [before, after] of files) {
    Deno.writeTextFileSync(path, before);
    const history = new History(path);
    history.output.line("event");
    await history.close();
    assert.match(Deno.readTextFileSync(path), after);
  }
  Deno.removeSync(path);
});

Deno.test("History.reopen() in the middle of a write tears no line, and puts no empty one beside it", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  const path = `${folder}/history`;
  const history = new History(path, () => assert.fail("that was reopen()"));
  let lines = 0;
  for (let round = 0; round < 300; round++) {
    if (round % 10 === 0) Deno.renameSync(path, `${path}.${round}`);
    // More than a page: the file grows while it is written.
    for (let i = 0; i < 500; i++) history.output.line(`${lines++} `.padEnd(100, "x"));
    for (let turn = round % 5; turn > 0; turn--) await Promise.resolve();
    history.reopen();
    if (round % 3 === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  await history.close();
  const written = [...Deno.readDirSync(folder)]
    .flatMap(({ name }) => Deno.readTextFileSync(`${folder}/${name}`).split("\n").slice(0, -1));
  assert.equal(history.output.state.lost, 0);
  assert.equal(written.length, lines);
  assert.ok(written.every((line) => line.length === 100 && line.endsWith("x")));
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("FollowedFile ends a line cut short in the file it follows to, also when the disk is full at first", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  const call = (command: string, ...args: string[]) =>
    assert.ok(new Deno.Command(command, { args }).outputSync().success, command);
  call("mount", "-t", "tmpfs", "-o", "size=16k", "none", folder);
  try {
    const path = `${folder}/history`;
    let replaced = 0;
    const file = new FollowedFile(path, 0o640, () => replaced++);
    Deno.renameSync(path, `${path}.1`);
    // A whole page: an end of line takes another one, which there is not.
    const cut = "x".repeat(4096);
    Deno.writeTextFileSync(path, cut);
    assert.throws(() => Deno.writeFileSync(`${folder}/filler`, new Uint8Array(65_536)), /No space/);
    await assert.rejects(file.write(new TextEncoder().encode("lost\n")), /No space/);
    Deno.removeSync(`${folder}/filler`);
    await file.write(new TextEncoder().encode("event\n"));
    file.close();
    assert.equal(Deno.readTextFileSync(path), `${cut}\nevent\n`);
    assert.equal(replaced, 1);
  } finally {
    call("umount", folder);
    Deno.removeSync(folder);
  }
});
