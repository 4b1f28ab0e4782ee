import assert from "node:assert/strict";
import { raiseDescriptorLimit } from "../../ffi/descriptor_limit.ts";

/** Soft and hard limit of this process. */
function limits(): [number, number] {
  const text = Deno.readTextFileSync("/proc/self/limits");
  const found = /^Max open files\s+(\d+)\s+(\d+)/m.exec(text);
  assert.ok(found);
  return [Number(found[1]), Number(found[2])];
}

async function setSoft(most: number): Promise<void> {
  const args = [`--pid=${Deno.pid}`, `--nofile=${most}:`];
  assert.ok((await new Deno.Command("prlimit", { args }).output()).success);
}

Deno.test("raiseDescriptorLimit() raises the soft limit as far as needed, and lowers nothing", async () => {
  const [soft, hard] = limits();
  await setSoft(700);
  try {
    assert.equal(raiseDescriptorLimit(900), 900);
    assert.deepEqual(limits(), [900, hard]);
    assert.equal(raiseDescriptorLimit(500), 900);
    assert.deepEqual(limits(), [900, hard]);
  } finally {
    await setSoft(soft);
  }
});

Deno.test("raiseDescriptorLimit() tells the most there can be", () => {
  const before = limits();
  const impossible = 2 ** 31; // beyond what the kernel lets fs.nr_open be
  assert.equal(raiseDescriptorLimit(impossible), before[1]);
  assert.deepEqual(limits(), before);
});
