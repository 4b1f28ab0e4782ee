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
