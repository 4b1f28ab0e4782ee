import assert from "node:assert/strict";
import { nftMessage } from "../../ffi/nftables.ts";

const MESSAGES: [name: string, text: string, message: string][] = [
  [
    "the kernel's refusal",
    "<cmdline>:1:1-20: Error: Could not process rule: No such file or directory\n" +
    "add element inet t s { 192.0.2.9 }\n                 ^\n",
    "Could not process rule: No such file or directory",
  ],
  [
    "the first of several faults",
    "Error: syntax error, unexpected newline\nadd\n   ^\nError: another\n",
    "syntax error, unexpected newline",
  ],
  [
    "a refusal before any command",
    "netlink: Error: cache initialization failed: Operation not permitted\n",
    "cache initialization failed: Operation not permitted",
  ],
  ["other texts", "out of memory\nfor all of it\n", "out of memory"],
  ["no text", "", "libnftables gives no reason"],
];

for (const [name, text, message] of MESSAGES) {
  Deno.test(`nftMessage() makes one line of ${name}`, () => {
    assert.equal(nftMessage(text), message);
  });
}
