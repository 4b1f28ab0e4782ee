import assert from "node:assert/strict";
import { History } from "../../src/log/history.ts";

Deno.test("History appends behind whole lines, and begins a new one behind a line cut short", async () => {
  const path = Deno.makeTempFileSync();
  const files: [before: string, after: RegExp][] = [
    ["", /^\d{4}-\S+ event\n$/],
    ["whole\n", /^whole\n\d{4}-\S+ event\n$/],
    ["whole\ncut", /^whole\ncut\n\d{4}-\S+ event\n$/],
  ];
  for (const [before, after] of files) {
    Deno.writeTextFileSync(path, before);
    const history = new History(path);
    history.append(0, "event");
    await history.close();
    assert.match(Deno.readTextFileSync(path), after);
  }
  Deno.removeSync(path);
});
