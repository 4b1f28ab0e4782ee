import assert from "node:assert/strict";
import fc from "fast-check";
import { formatDuration, parseDuration } from "../../src/config/duration.ts";
import { MOST_DURATION_S } from "../../src/limits.ts";

const GOOD: [text: string, seconds: number][] = [
  ["0", 0],
  ["0s", 0],
  ["30s", 30],
  ["10m", 600],
  ["1h", 3600],
  ["7d", 604_800],
  ["90s", 90],
  ["007d", 604_800],
  ["1h30m", 5400],
  ["1d2h3m4s", 93_784],
  ["3650d", MOST_DURATION_S],
];

for (const [text, seconds] of GOOD) {
  Deno.test(`parseDuration() reads ${text}`, () => {
    assert.deepEqual(parseDuration(text), { seconds });
  });
}

const WRITE = /^Cannot use ".*": write a time such as "30s", "10m", "1h" or "7d"$/;
const BAD: [text: string, fault: RegExp][] = [
  ["", WRITE],
  [" ", WRITE],
  ["1 hour", WRITE],
  ["1hour", WRITE],
  ["1H", WRITE],
  ["1ms", WRITE],
  ["1w", WRITE],
  ["h", WRITE],
  ["-1h", WRITE],
  ["+1h", WRITE],
  ["1.5h", WRITE],
  ["1,5h", WRITE],
  ["1e3s", WRITE],
  ["0x10s", WRITE],
  [" 1h", WRITE],
  ["1h ", WRITE],
  ["1h\n", WRITE],
  ["30m1h", WRITE],
  ["1h1h", WRITE],
  ["1h30", WRITE],
  ["٣s", WRITE],
  ["Infinity", WRITE],
  ["3600", /^"3600" lacks its unit: write "3600s", "3600m", "3600h" or "3600d"$/],
  ["3650d1s", /^"3650d1s" is too long: write "3650d" at most$/],
  ["9".repeat(400) + "s", /is too long/],
];

for (const [text, fault] of BAD) {
  Deno.test(`parseDuration() refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
    const parsed = parseDuration(text);
    assert.ok("fault" in parsed, JSON.stringify(parsed));
    assert.match(parsed.fault, fault);
  });
}

Deno.test("formatDuration() leaves out the units that are zero", () => {
  const texts = [0, 59, 60, 90, 3600, 3601, 86_400, 90_061].map(formatDuration);
  assert.deepEqual(texts, ["0s", "59s", "1m", "1m30s", "1h", "1h1s", "1d", "1d1h1m1s"]);
});

Deno.test("parseDuration() reads back what formatDuration() writes", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: MOST_DURATION_S }), (seconds) => {
    assert.deepEqual(parseDuration(formatDuration(seconds)), { seconds });
  }));
});

Deno.test("parseDuration() takes any text for whole seconds within its bound, or a fault", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 50 }),
    fc.array(fc.constantFrom("0", "1", "99", "d", "h", "m", "s", ".", "-", " ", "e"))
      .map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(text, (text) => {
      const parsed = parseDuration(text);
      if ("fault" in parsed) return;
      assert.ok(Number.isInteger(parsed.seconds) && parsed.seconds >= 0);
      assert.ok(parsed.seconds <= MOST_DURATION_S);
    }),
    { numRuns: 2000 },
  );
});
