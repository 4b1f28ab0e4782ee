import assert from "node:assert/strict";
import { parseRequest } from "../src/control_request.ts";

const REFUSED: [request: unknown, told: RegExp][] = [
  [null, /no such command/],
  [[], /no such command/],
  ["status", /no such command/],
  [{ command: "__proto__" }, /no such command/],
  [{ command: "block" }, /host: an address is needed/],
  [{ command: "block", host: "192.0.2.0/24" }, /host: an address is needed/],
  [{ command: "block", host: "192.0.2.9", seconds: "60" }, /seconds: a whole number/],
  [{ command: "block", host: "192.0.2.9", seconds: -1 }, /seconds: a whole number/],
  [{ command: "block", host: "192.0.2.9", seconds: 2 ** 53 - 1 }, /seconds: .* 3650d at most/],
  [{ command: "unblock" }, /networks: a list is needed/],
  [{ command: "unblock", networks: "192.0.2.9" }, /networks: a list is needed/],
  [{ command: "unblock", networks: ["x\x1b"] }, /networks: "x\\u001b" is no address or CIDR/],
  [{ command: "unblock", networks: [{ toString: 1 }] }, /networks: \{"toString":1\} is no address/],
];

for (const [request, told] of REFUSED) {
  Deno.test(`parseRequest() refuses ${JSON.stringify(request)}`, () => {
    assert.throws(() => parseRequest(request), { name: "ControlError", message: told });
  });
}

Deno.test("parseRequest() reads a block, and escapes its reason", () => {
  const request = { command: "block", host: "::ffff:192.0.2.9", seconds: 0, why: "a\x1b\n" };
  assert.deepEqual(parseRequest(request), {
    command: "block",
    host: "192.0.2.9",
    seconds: 0,
    reason: "a\\x1b\\x0a",
  });
});
