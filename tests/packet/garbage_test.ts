import assert from "node:assert/strict";

const SCRIPT = new URL("./garbage.ts", import.meta.url).pathname;

/** How often the collector runs while `millions` of frames are decoded, judged, fingerprinted and summed up. */
async function collections(millions: number, ...args: string[]): Promise<number> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-read",
      "--v8-flags=--trace-gc,--max-semi-space-size=1", // a nursery of 1 MB
      SCRIPT,
      String(millions),
      ...args,
    ],
  }).output();
  assert.equal(code, 0);
  return new TextDecoder().decode(stdout).split("\n").filter((line) =>
    / ms: (Scavenge|Mark-Compact)/.test(line)
  ).length;
}

Deno.test("decode(), judge(), Fingerprints.note(), ScanTracker.take() and Savefile.next() make no garbage", async () => {
  // The first million is where the code is optimised, which allocates by itself.
  const [one, three, control] = await Promise.all([
    collections(1),
    collections(3),
    collections(3, "garbage"),
  ]);
  assert.ok(three - one <= 1, `${three - one} collections in two million packets`);
  assert.ok(control - one >= 10, `${control - one} collections with one object a packet`);
});
