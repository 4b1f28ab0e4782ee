import assert from "node:assert/strict";
import { requestFor } from "../../src/notify/formats.ts";
import { post, retryAfter } from "../../src/notify/post.ts";
import { Hook } from "./hook.ts";
import { block, OBSERVER, target } from "./samples.ts";

const REQUEST = requestFor(block("192.0.2.9"), "text", OBSERVER);

function send(url: string, limitMs = 10_000) {
  return post(target(url), REQUEST, AbortSignal.timeout(limitMs));
}

/** Paths of the server, and what comes of them. */
const ANSWERS: [path: string, failure: string | undefined, mayMend: boolean, waitMs?: number][] = [
  ["/ok", undefined, true],
  ["/status/204", undefined, true],
  ["/status/400", "it answers with status 400", false],
  ["/status/401", "it answers with status 401", false],
  ["/status/404/5", "it answers with status 404", false, 5000],
  ["/status/408", "it answers with status 408", true],
  ["/status/429/7", "it answers with status 429", true, 7000],
  ["/status/429/soon", "it answers with status 429", true],
  ["/status/500", "it answers with status 500", true],
  ["/status/503/120", "it answers with status 503", true, 120_000],
  ["/endless", undefined, true],
];

for (const [path, failure, mayMend, waitMs] of ANSWERS) {
  Deno.test(`post() judges ${path}: ${failure ?? "sent"}`, async () => {
    await using hook = new Hook();
    const answer = await send(hook.url(path));
    assert.deepEqual(
      answer,
      failure === undefined
        ? { sent: true }
        : { sent: false, failure, mayMend, ...(waitMs !== undefined && { retryAfterMs: waitMs }) },
    );
  });
}

Deno.test("post() sends what it is given, and who it is", async () => {
  await using hook = new Hook();
  await send(`http://me:my%20word@127.0.0.1:${hook.port}/ok?a=b#c`);
  const [{ method, path, headers, body }] = hook.received;
  assert.deepEqual([method, path, body], ["POST", "/ok", REQUEST.body]);
  assert.equal(headers["content-type"], "text/plain; charset=utf-8");
  assert.equal(headers["user-agent"], "portsentry");
  assert.equal(headers["authorization"], `Basic ${btoa("me:my word")}`);
});

Deno.test("post() does not follow a redirect", async () => {
  await using other = new Hook();
  await using hook = new Hook();
  assert.deepEqual(await send(hook.url(`/moved/${other.port}`)), {
    sent: false,
    failure: `it redirects to 127.0.0.1:${other.port} (status 307), which is not followed`,
    mayMend: false,
  });
  assert.equal(other.received.length, 0);
});

Deno.test("post() waits no longer than it may", async () => {
  await using hook = new Hook();
  const failure = "it does not answer in time";
  assert.deepEqual(await send(hook.url("/hang"), 100), { sent: false, failure, mayMend: true });
});

Deno.test("post() says nothing of a URL but what is not secret", async () => {
  await using closed = new Hook();
  const answers = [
    await send(`http://hush:hush@127.0.0.1:${await freePort()}/hush?hush`),
    await send(closed.url("/status/404?hush")),
    await send(`https://127.0.0.1:${closed.port}/hush`),
  ];
  for (const answer of answers) {
    assert.equal(answer.sent, false);
    assert.doesNotMatch(JSON.stringify(answer), /hush/);
    assert.ok(!answer.sent && answer.failure.length > 10);
  }
  assert.match(JSON.stringify(answers[0]), /refused/i);
});

async function freePort(): Promise<number> {
  await using hook = new Hook();
  return hook.port;
}

Deno.test("retryAfter() reads seconds and dates, and nothing else", () => {
  const nowMs = Date.UTC(2026, 10, 22, 18, 0, 0);
  assert.equal(retryAfter("120", nowMs), 120_000);
  assert.equal(retryAfter("Sun, 22 Nov 2026 18:00:30 GMT", nowMs), 30_000);
  assert.equal(retryAfter("Sun, 22 Nov 2026 17:00:00 GMT", nowMs), 0);
  assert.equal(retryAfter("99999999999999999999", nowMs), undefined);
  assert.equal(retryAfter("soon", nowMs), undefined);
  assert.equal(retryAfter(null, nowMs), undefined);
});
