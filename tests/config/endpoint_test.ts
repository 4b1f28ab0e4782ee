import assert from "node:assert/strict";
import fc from "fast-check";
import { formatEndpoint, isLoopback, parseEndpoint } from "../../src/config/endpoint.ts";

for (
  const [text, host, port, loopback] of [
    ["127.0.0.1:9187", "127.0.0.1", 9187, true],
    ["127.9.9.9:1", "127.9.9.9", 1, true],
    ["[::1]:65535", "::1", 65535, true],
    ["[0:0::1]:80", "0:0::1", 80, true],
    ["0.0.0.0:9187", "0.0.0.0", 9187, false],
    ["[::]:9187", "::", 9187, false],
    ["[2001:db8::1]:9187", "2001:db8::1", 9187, false],
  ] as const
) {
  Deno.test(`parseEndpoint() reads ${text}`, () => {
    const parsed = parseEndpoint(text);
    assert.ok("endpoint" in parsed);
    assert.deepEqual(parsed.endpoint, { host, port });
    assert.equal(formatEndpoint(parsed.endpoint), text);
    assert.equal(isLoopback(parsed.endpoint), loopback);
  });
}

for (
  const text of [
    "",
    "9187",
    ":9187",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:0",
    "127.0.0.1:65536",
    "127.0.0.1:1e3",
    "127.0.0.1:+80",
    "127.1:80",
    "localhost:9187",
    "::1:9187",
    "[::1]",
    "[127.0.0.1]:80",
    "[::1]:80:80",
    " 127.0.0.1:80",
    "http://127.0.0.1:80",
  ]
) {
  Deno.test(`parseEndpoint() refuses "${text}"`, () => {
    const parsed = parseEndpoint(text);
    assert.ok("fault" in parsed);
    assert.match(parsed.fault, /write an address and a port, such as "127\.0\.0\.1:9187"/);
  });
}

Deno.test("parseEndpoint() reads what formatEndpoint() writes, and survives any text (property)", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.ipV4(), fc.ipV6()),
      fc.integer({ min: 1, max: 65535 }),
      (host, port) => {
        assert.deepEqual(parseEndpoint(formatEndpoint({ host, port })), {
          endpoint: { host, port },
        });
      },
    ),
  );
  fc.assert(fc.property(fc.string(), (text) => void parseEndpoint(text)));
});
