import assert from "node:assert/strict";
import { OUTPUT_BACKLOG_BYTES, OUTPUT_LINE_CHARACTERS } from "../../src/limits.ts";
import { LineOutput, type LineTarget } from "../../src/log/line_output.ts";

/** Remembers what it is given; `step` decides how each write ends. */
class Recorder implements LineTarget {
  text = "";
  writes = 0;
  constructor(readonly step: (bytes: Uint8Array, write: number) => number | Promise<number>) {}
  async write(bytes: Uint8Array): Promise<number> {
    const count = await this.step(bytes, this.writes++);
    this.text += new TextDecoder().decode(bytes.subarray(0, count));
    return count;
  }
}

const whole = (bytes: Uint8Array) => bytes.length;

Deno.test("LineOutput writes lines in order, those of one turn in one piece", async () => {
  const target = new Recorder(whole);
  const output = new LineOutput("test", target);
  for (let i = 0; i < 1000; i++) output.line(`line ${i}`);
  await output.close();
  assert.equal(target.text, Array.from({ length: 1000 }, (_, i) => `line ${i}\n`).join(""));
  assert.equal(target.writes, 1);
  assert.equal(output.state.lost, 0);
});

Deno.test("LineOutput goes on where a short write stopped", async () => {
  const target = new Recorder((bytes) => Math.min(3, bytes.length));
  const output = new LineOutput("test", target);
  output.line("abcdefgh");
  output.line("ijk");
  await output.close();
  assert.equal(target.text, "abcdefgh\nijk\n");
});

Deno.test("LineOutput tries a failed write again and loses nothing", async () => {
  const target = new Recorder((bytes, write) => {
    if (write === 1) throw new Error("No space left on device");
    return write === 0 ? 4 : bytes.length;
  });
  const output = new LineOutput("test", target);
  output.line("first line");
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(output.state.failure, "No space left on device");
  output.line("second line");
  await new Promise((resolve) => setTimeout(resolve, 800));
  assert.equal(output.state.failure, undefined);
  await output.close();
  assert.equal(target.text, "first line\nsecond line\n");
  assert.equal(output.state.lost, 0);
});

Deno.test("LineOutput never waits for a target that hangs, and counts what it drops", async () => {
  const target = new Recorder(() => new Promise(() => {}));
  const output = new LineOutput("test", target);
  const line = "x".repeat(1023);
  const bytes = new TextEncoder().encode(`${line}\n`);
  const all = OUTPUT_BACKLOG_BYTES / bytes.length + 1000;
  for (let i = 0; i < all; i++) output.append(bytes, 0, bytes.length);
  const { lost } = output.state;
  // A last piece that is not there in whole is not begun.
  assert.ok(lost >= 1000 && lost < 2024, `${lost}`);
  const start = performance.now();
  await output.close();
  assert.ok(performance.now() - start < 1000);
  assert.equal(output.state.lost, all);
});

Deno.test("LineOutput takes text and bytes, and cuts a line that is too long", async () => {
  const target = new Recorder(whole);
  const output = new LineOutput("test", target);
  output.line("é€😀");
  output.append(new TextEncoder().encode("..abc\n.."), 2, 6);
  output.line("x".repeat(OUTPUT_LINE_CHARACTERS + 5));
  await output.close();
  assert.equal(target.text, `é€😀\nabc\n${"x".repeat(OUTPUT_LINE_CHARACTERS)}\n`);
});

Deno.test("LineOutput keeps lines that come while a write is under way", async () => {
  const come: string[] = ["second", "third"];
  const output: LineOutput = new LineOutput(
    "test",
    new Recorder(async (bytes) => {
      const line = come.shift();
      if (line) output.line(line);
      await new Promise((resolve) => setTimeout(resolve, 5));
      written += new TextDecoder().decode(bytes);
      return bytes.length;
    }),
  );
  let written = "";
  output.line("first");
  await output.close();
  assert.equal(written, "first\nsecond\nthird\n");
});

Deno.test("LineOutput gives up on a broken pipe at once", async () => {
  const target = new Recorder(() => {
    throw new Deno.errors.BrokenPipe("Broken pipe");
  });
  const output = new LineOutput("test", target);
  output.line("one");
  await new Promise((resolve) => setTimeout(resolve, 10));
  output.line("two");
  await output.close();
  assert.equal(target.writes, 1);
  assert.equal(output.state.lost, 2);
});
