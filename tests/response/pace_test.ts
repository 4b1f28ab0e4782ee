import assert from "node:assert/strict";
import { GUARD_REST } from "../../src/limits.ts";
import { Pace } from "../../src/response/pace.ts";

Deno.test("Pace is due when it has rested as long as it must, also after work that throws", () => {
  let nowMs = 1000;
  const pace = new Pace(() => nowMs);
  assert.ok(pace.due);
  for (const [tookMs, fails] of [[2, false], [30, true], [0.5, false]] as const) {
    const work = () => {
      nowMs += tookMs;
      if (fails) throw new Error("as it may");
      return "done";
    };
    if (fails) assert.throws(() => pace.run(work), { message: "as it may" });
    else assert.equal(pace.run(work), "done");
    assert.ok(!pace.due);
    nowMs += GUARD_REST * tookMs - 0.01;
    assert.ok(!pace.due);
    nowMs += 0.02;
    assert.ok(pace.due);
  }
});
