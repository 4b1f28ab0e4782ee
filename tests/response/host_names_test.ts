import assert from "node:assert/strict";
import fc from "fast-check";
import { RESOLVE_AT_ONCE, RESOLVE_TIMEOUT_MS, RESOLVE_WAITERS } from "../../src/limits.ts";
import { harmlessName, HostNames } from "../../src/response/host_names.ts";

const text = (host: number) => `198.18.${host >> 8}.${host & 0xff}`;

Deno.test("HostNames close() gives whoever waits for a resolver that hangs the address", async () => {
  const names = new HostNames(() => new Promise(() => {}));
  const name = names.nameOf(text(1));
  const begin = performance.now();
  names.close();
  assert.equal(await name, text(1));
  assert.ok(performance.now() - begin < RESOLVE_TIMEOUT_MS / 2);
  assert.equal(names.nameOf(text(2)), text(2));
});

Deno.test("HostNames has a bound of questions, also of those whose events have given up", async () => {
  let asked = 0;
  const answers: (() => void)[] = [];
  const names = new HostNames(() => {
    asked++;
    return new Promise((resolve) => answers.push(() => resolve("a.example.org")));
  });
  const flood = (first: number) =>
    Promise.all(
      Array.from({ length: RESOLVE_WAITERS }, (_, i) => names.nameOf(text(first + i))),
    );
  await flood(0);
  await flood(RESOLVE_WAITERS);
  assert.ok(names.questions <= RESOLVE_WAITERS, `${names.questions} questions`);
  // The resolver is back: the questions nobody waits for are not asked any more.
  for (const answer of answers.splice(0)) answer();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(asked, RESOLVE_AT_ONCE);
  const name = names.nameOf(text(9999));
  await new Promise((resolve) => setTimeout(resolve, 0));
  for (const answer of answers) answer();
  assert.equal(await name, "a.example.org");
});

Deno.test("harmlessName() leaves nothing of a name that could forge a line, and no address", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 100 }), (name) => {
    const harmless = harmlessName(name);
    if (harmless !== undefined) assert.match(harmless, /^[A-Za-z0-9._?-]+$/);
  }));
  assert.equal(harmlessName("scanner.example.org"), "scanner.example.org");
  assert.equal(harmlessName("203.0.113.5"), undefined);
  assert.equal(harmlessName("x) [1.2.3.4]"), "x???1.2.3.4?");
});
