import assert from "node:assert/strict";
import fc from "fast-check";
import { NOTICE_FORMATS } from "../../src/config/notify_url.ts";
import { requestFor } from "../../src/notify/formats.ts";
import { type Notice, sentenceOf, titleOf } from "../../src/notify/notice.ts";
import { validNotification } from "./notification_schema.ts";
import { block, OBSERVER, scan, TIME_MS } from "./samples.ts";

const SOURCES = Array.from({ length: 30 }, (_, i) => `192.0.2.${i}`);
const NOTICES: [notice: Notice, title: string, sentence: string][] = [
  [
    block("192.0.2.9", "scanner.example"),
    "Blocked 192.0.2.9",
    "192.0.2.9 (scanner.example) has been blocked for 1h after a probe of TCP port 23",
  ],
  [
    { ...block("2001:db8::9"), block: undefined },
    "Blocked 2001:db8::9",
    "2001:db8::9 has been blocked after a probe of TCP port 23",
  ],
  [
    { ...block("192.0.2.9"), block: { host: "192.0.2.9", startMs: TIME_MS, count: 2 } },
    "Blocked 192.0.2.9",
    "192.0.2.9 has been blocked after a probe of TCP port 23",
  ],
  [
    { ...block("192.0.2.9"), kind: "dry-run", block: undefined },
    "Would block 192.0.2.9",
    "192.0.2.9 would be blocked after a probe of TCP port 23: DRY_RUN is set",
  ],
  [
    { kind: "scan", timeMs: TIME_MS, scan: scan("192.0.2.9") },
    "Scan from 192.0.2.9",
    "192.0.2.9 scanned 1000 ports of 1 address with nmap SYN in 2m3s (vertical, 1003 packets): " +
    "tcp/1, tcp/2, tcp/3, tcp/4, tcp/5, tcp/6, tcp/7, tcp/8, …",
  ],
  [
    {
      kind: "scan",
      timeMs: TIME_MS,
      scan: scan("37 sources", {
        sources: 37,
        kind: "distributed",
        tool: "unknown",
        ports: 1,
        packets: 90,
        targets: 2,
        samplePorts: ["udp/53"],
        blocked: true,
      }),
    },
    "Scan from 37 sources",
    "37 sources scanned 1 port of 2 addresses in 2m3s (distributed, 90 packets): udp/53; " +
    "it is blocked",
  ],
  [
    { kind: "more", timeMs: TIME_MS, blocks: 30, dryRuns: 0, scans: 7, sources: SOURCES },
    "37 more",
    "and 37 more: 30 hosts blocked, 7 scans; from 192.0.2.0, 192.0.2.1, 192.0.2.2, 192.0.2.3, " +
    "192.0.2.4, 192.0.2.5, 192.0.2.6, 192.0.2.7, …",
  ],
  [
    { kind: "more", timeMs: TIME_MS, blocks: 0, dryRuns: 1, scans: 0, sources: ["192.0.2.1"] },
    "1 more",
    "and 1 more: 1 host that would be blocked; from 192.0.2.1",
  ],
];

for (const [notice, title, sentence] of NOTICES) {
  Deno.test(`sentenceOf() says: ${sentence}`, () => {
    assert.equal(titleOf(notice), title);
    assert.equal(sentenceOf(notice), sentence);
  });

  Deno.test(`requestFor() writes in every format: ${sentence}`, () => {
    const json = requestFor(notice, "json", OBSERVER);
    assert.equal(json.headers["Content-Type"], "application/json");
    const value = validNotification(json.body);
    assert.deepEqual([value.title, value.text], [title, sentence]);
    assert.deepEqual(value.observer, { product: "portsentry", ...OBSERVER });
    assert.equal(requestFor(notice, "text", OBSERVER).body, `gate: ${sentence}\n`);
    const slack = requestFor(notice, "slack", OBSERVER).body;
    assert.deepEqual(JSON.parse(slack), { text: `gate: ${sentence}` });
    const ntfy = requestFor(notice, "ntfy", OBSERVER);
    assert.equal(ntfy.body, sentence);
    assert.equal(ntfy.headers.Title, `gate: ${title}`);
    assert.match(ntfy.headers.Priority, /^(default|high)$/);
  });
}

Deno.test("requestFor() puts all that is known of a block into the JSON", () => {
  const value = JSON.parse(requestFor(block("192.0.2.9", "x.example"), "json", OBSERVER).body);
  assert.equal(value.version, 1);
  assert.deepEqual(value.source, { ip: "192.0.2.9", name: "x.example" });
  assert.deepEqual(value.block, {
    host: "192.0.2.9",
    since: "2026-11-22T18:21:14.160Z",
    until: "2026-11-22T19:21:14.160Z",
    times: 1,
  });
});

/** What the owner of an address may call it, were it not made harmless before. */
const HOSTILE = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.array(
    fc.constantFrom("<!channel>", "@here", '"', "\r\n", "Title: x", "\x1b[2J", "\u2028", "&"),
  )
    .map((parts) => parts.join("")),
  fc.nat({ max: 100_000 }).map((length) => "x".repeat(length)),
);

Deno.test("requestFor() leaves nothing of a hostile name that means anything", () => {
  fc.assert(
    fc.property(HOSTILE, HOSTILE, (name, other) => {
      const notices: Notice[] = [
        block("192.0.2.9", name),
        { kind: "scan", timeMs: TIME_MS, scan: scan(name, { tool: other }) },
        { kind: "more", timeMs: TIME_MS, blocks: 9, dryRuns: 0, scans: 0, sources: [name, other] },
      ];
      for (const notice of notices) {
        for (const format of NOTICE_FORMATS) {
          const { headers, body } = requestFor(notice, format, OBSERVER);
          // deno-lint-ignore no-control-regex -- these are what must not be there
          assert.doesNotMatch(body.replace(/\n$/, ""), /[\x00-\x1f\x7f-\x9f\u2028\u2029]/);
          assert.ok(body.length < 16_384, `${body.length}`);
          for (const value of Object.values(headers)) assert.match(value, /^[\x20-\x7e]{1,600}$/);
          if (format === "slack") {
            const { text } = JSON.parse(body);
            assert.doesNotMatch(text, /[<>]|@(?!\u200b)|&(?!(?:amp|lt|gt);)/);
          }
        }
      }
    }),
    { numRuns: 500 },
  );
});
