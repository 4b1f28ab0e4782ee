import assert from "node:assert/strict";
import { parsePorts } from "../../src/config/ports.ts";
import { nameOf } from "../../src/sentry/listeners.ts";

const odd = Array.from({ length: 1000 }, (_, i) => 2 * i + 1).join(",");

for (
  const [ports, name] of [
    ["80", "TCP port 80"],
    ["80-81", "TCP ports 80-81"],
    ["7,1-3", "TCP ports 1-3,7"],
    ["1-65535", "TCP ports 1-65535"],
    [odd, "TCP ports 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31 and 984 more"],
  ]
) {
  Deno.test(`nameOf() says ${name}`, () => {
    const parsed = parsePorts(ports);
    assert.ok("ports" in parsed);
    assert.equal(nameOf("TCP", parsed.ports), name);
  });
}
