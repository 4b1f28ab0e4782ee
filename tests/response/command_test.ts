import assert from "node:assert/strict";
import { fillIn, plainWords } from "../../src/response/command.ts";
import type { ScanEvent } from "../../src/event/scan_event.ts";

const PLAIN: [command: string, words: string[]][] = [
  ["/sbin/ip route add blackhole 192.0.2.9", [
    "/sbin/ip",
    "route",
    "add",
    "blackhole",
    "192.0.2.9",
  ]],
  ["  /bin/x\t--to=2001:db8::1 ", ["/bin/x", "--to=2001:db8::1"]],
  ["/bin/true", ["/bin/true"]],
];

for (const [command, words] of PLAIN) {
  Deno.test(`plainWords() splits ${JSON.stringify(command)}`, () => {
    assert.deepEqual(plainWords(command), words);
  });
}

const SHELL = [
  "ip route add x",
  "exit 3",
  "X=1 /bin/x",
  "/bin/x $HOME",
  "/bin/x 'a'",
  '/bin/x "a"',
  "/bin/x a > b",
  "/bin/x a; /bin/y",
  "/bin/x a & /bin/y",
  "/bin/x a | /bin/y",
  "/bin/x *",
  "/bin/x ?",
  "/bin/x [a]",
  "/bin/x {a,b}",
  "/bin/x ~",
  "/bin/x # a",
  "/bin/x `a`",
  "/bin/x (a)",
  "/bin/x \\a",
  "/bin/x !a",
  "/bin/x a\n/bin/y",
  "",
];

for (const command of SHELL) {
  Deno.test(`plainWords() leaves ${JSON.stringify(command)} to the shell`, () => {
    assert.equal(plainWords(command), undefined);
  });
}

Deno.test("fillIn() replaces all three names wherever they stand", () => {
  const event = { source: "2001:db8::9", port: 23, mode: "stealth" } as ScanEvent;
  assert.equal(
    fillIn("$TARGET$ $PORT$ $MODE$ $TARGET$ $OTHER$", event),
    "2001:db8::9 23 stealth 2001:db8::9 $OTHER$",
  );
});
