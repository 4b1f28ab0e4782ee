import assert from "node:assert/strict";
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
