import assert from "node:assert/strict";
import { escapeControls, jsonText, quote, table } from "../src/text.ts";

Deno.test("escapeControls() leaves nothing that moves a cursor or ends a line", () => {
  assert.equal(escapeControls("a\x1b[2J\r\n\x9b\u2028é"), "a\\x1b[2J\\x0d\\x0a\\x9b\\u2028é");
});

Deno.test("quote() cuts and escapes what it quotes", () => {
  assert.equal(quote("a\nb"), '"a\\x0ab"');
  assert.equal(quote("x".repeat(100)).length, 82);
});

Deno.test("table() aligns columns, and lets no cell move the cursor or end a line", () => {
  assert.equal(
    table([["a", "bb", "c"], ["dd\n", "\x1b[2J", ""]]),
    "a       bb       c\ndd\\x0a  \\x1b[2J\n",
  );
});

Deno.test("jsonText() is the same value, with nothing that moves a cursor or ends a line", () => {
  const value = { "\x9b2J": ["\u2028", "\x1b\n\x7f", null, "é"] };
  const text = jsonText(value);
  assert.equal(escapeControls(text), text);
  assert.deepEqual(JSON.parse(text), value);
});
