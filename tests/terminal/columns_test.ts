import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { columns, cut } from "../../src/terminal/columns.ts";
import { bar, paint, PLAIN, type Style } from "../../src/terminal/style.ts";

const HEADS = [
  { title: "HOST" },
  { title: "TIMES", right: true },
  { title: "REASON", shrinks: true },
];
const ROWS = [["192.0.2.9", "1", "TCP port 23"], ["2001:db8::9", "1,000", "Wirt 漢字 é"]];

function terminal(width: number): Style {
  return { colours: true, width, bar: "█" };
}

Deno.test("columns() aligns words at the left and numbers at the right", () => {
  assert.deepEqual(columns(PLAIN, HEADS, ROWS), [
    "HOST         TIMES  REASON",
    "192.0.2.9        1  TCP port 23",
    "2001:db8::9  1,000  Wirt 漢字 é",
  ]);
});

Deno.test("columns() cuts what may shrink, and never writes beyond the width", () => {
  assert.deepEqual(columns({ ...PLAIN, width: 30 }, HEADS, ROWS), [
    "HOST         TIMES  REASON",
    "192.0.2.9        1  TCP port …",
    "2001:db8::9  1,000  Wirt 漢字…",
  ]);
  for (let width = 1; width < 40; width++) {
    for (const line of columns(terminal(width), HEADS, ROWS)) {
      const shown = stripVTControlCharacters(line);
      // A character of Chinese takes two columns.
      const wide = [...shown].filter((character) => character > "\u2fff").length;
      assert.ok([...shown].length + wide <= width, `${width}: ${shown}`);
    }
  }
});

Deno.test("columns() lets no cell move the cursor or end a line", () => {
  assert.deepEqual(columns(PLAIN, [{ title: "" }], [["\x1b[2Ja\r\nb\x9b1m"]]), [
    "\\x1b[2Ja\\x0d\\x0ab\\x9b1m",
  ]);
});

Deno.test("columns() colours cells, and nothing without colours", () => {
  const rows = [[{ text: "yes", colour: "red" as const }]];
  assert.deepEqual(columns(terminal(80), [{ title: "" }], rows), ["\x1b[31myes\x1b[39m"]);
  assert.deepEqual(columns(PLAIN, [{ title: "" }], rows), ["yes"]);
  assert.equal(paint(PLAIN, "red", "no"), "no");
});

Deno.test("bar() shows the least as something, and nothing as nothing", () => {
  assert.equal(bar(PLAIN, 1, 1_000_000, 10), "#");
  assert.equal(bar(PLAIN, 5, 10, 10), "#####");
  assert.equal(bar(PLAIN, 0, 10, 10), "");
  assert.equal(bar(PLAIN, 0, 0, 10), "");
});

Deno.test("cut() leaves what fits as it is", () => {
  assert.equal(cut("abc", 3), "abc");
  assert.equal(cut("abcd", 3), "ab…");
  assert.equal(cut("abcd", Infinity), "abcd");
});
