import assert from "node:assert/strict";
import { GUARD_REST } from "../../src/limits.ts";
import { Pace } from "../../src/response/pace.ts";

function work(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

Deno.test("Pace gives work a tenth of the time at most, also work that throws", () => {
  const pace = new Pace();
  const startMs = performance.now();
  let times = 0;
  let workedMs = 0;
  while (performance.now() < startMs + 300) {
    if (!pace.due) continue;
    const beganMs = performance.now();
    const failing = () =>
      pace.run(() => {
        work(2);
        throw new Error("as it may");
      });
    if (++times % 2 === 0) pace.run(() => work(2));
    else assert.throws(failing, { message: "as it may" });
    workedMs += performance.now() - beganMs;
  }
  const share = workedMs / (performance.now() - startMs);
  assert.ok(times >= 3 && share <= 1.5 / GUARD_REST, `${times} times, ${share} of the time`);
});
