import assert from "node:assert/strict";
import { escapeControls, quote } from "../src/text.ts";

Deno.test("escapeControls() leaves nothing that moves a cursor or ends a line", () => {
  assert.equal(escapeControls("a\x1b[2J\r\n\x9b\u2028é"), "a\\x1b[2J\\x0d\\x0a\\x9b\\u2028é");
});

Deno.test("quote() cuts and escapes what it quotes", () => {
  assert.equal(quote("a\nb"), '"a\\x0ab"');
  assert.equal(quote("x".repeat(100)).length, 82);
});
