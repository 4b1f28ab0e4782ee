import assert from "node:assert/strict";
import { OUTPUT_CHUNK_BYTES, OUTPUT_LINE_CHARACTERS } from "../../src/limits.ts";
import { LineBatch } from "../../src/log/line_batch.ts";

/** Takes `most` bytes a write. */
class Target {
  text = "";
  writes = 0;
  constructor(readonly most = Infinity) {}

  async write(bytes: Uint8Array): Promise<number> {
    await Promise.resolve();
    this.writes++;
    const taken = bytes.subarray(0, this.most);
    this.text += new TextDecoder().decode(taken);
    return taken.length;
  }
}

Deno.test("LineBatch writes its lines in one piece, or in as many as the target takes", async () => {
  for (const target of [new Target(), new Target(3)]) {
    const batch = new LineBatch(target);
    batch.line("first");
    batch.line("second");
    assert.equal(target.text, "");
    await batch.write();
    assert.equal(target.text, "first\nsecond\n");
    await batch.write();
    assert.equal(target.writes, target.most === 3 ? 5 : 1);
  }
});

Deno.test("LineBatch says when it is full, and takes more all the same", async () => {
  const target = new Target();
  const batch = new LineBatch(target);
  const line = "x".repeat(1000);
  let lines = 0;
  for (; !batch.full; lines++) batch.line(line);
  assert.equal(lines, Math.ceil(OUTPUT_CHUNK_BYTES / 1001));
  for (; lines < 1000; lines++) batch.line(line);
  await batch.write();
  assert.equal(target.text, `${line}\n`.repeat(1000));
  assert.ok(!batch.full);
});

Deno.test("LineBatch keeps the order of lines that come while it writes", async () => {
  const target = new Target(2);
  const batch = new LineBatch(target);
  batch.line("first");
  const first = batch.write();
  await Promise.resolve();
  batch.line("second");
  await Promise.all([first, batch.write()]);
  assert.equal(target.text, "first\nsecond\n");
});

Deno.test("LineBatch cuts a line of very many characters", async () => {
  const target = new Target();
  const batch = new LineBatch(target);
  batch.line("€".repeat(OUTPUT_LINE_CHARACTERS + 1));
  await batch.write();
  assert.equal(target.text, "€".repeat(OUTPUT_LINE_CHARACTERS) + "\n");
});

Deno.test("LineBatch hands on that its target has failed", async () => {
  const batch = new LineBatch({ write: () => Promise.reject(new Deno.errors.BrokenPipe("gone")) });
  batch.line("lost");
  await assert.rejects(batch.write(), Deno.errors.BrokenPipe);
  await assert.rejects(batch.write(), Deno.errors.BrokenPipe);
});
