import assert from "node:assert/strict";
import {
  NOTICE_AGE_MS,
  NOTICE_TIMEOUT_MS,
  NOTICE_TRIES,
  NOTICES_WAITING,
} from "../../src/limits.ts";
import { Channel } from "../../src/notify/channel.ts";
import { FakeClock, until } from "./fake_clock.ts";
import { Hook } from "./hook.ts";
import { block, OBSERVER, target } from "./samples.ts";

/** A channel to a path of a real server, by a clock of the test's own. */
class Rig implements AsyncDisposable {
  readonly hook = new Hook();
  readonly clock = new FakeClock();
  readonly counts = { sent: 0, lost: 0 };
  readonly said: string[] = [];
  readonly channel: Channel;
  onLost = 0;

  constructor(path: string) {
    this.channel = new Channel({
      target: target(this.hook.url(path)),
      format: "text",
      observer: OBSERVER,
      clock: this.clock,
      log: {
        error: (text) => this.said.push(text),
        notice: (text) => this.said.push(text),
      },
      counts: this.counts,
      onLost: () => this.onLost++,
    });
  }

  send(count = 1): void {
    for (let i = 0; i < count; i++) this.channel.send(block(`192.0.2.${i}`));
  }

  /** Waits until a request has failed, and gives the wait before the next one. */
  async pause(requests: number): Promise<number | undefined> {
    await until(
      () =>
        this.hook.received.length === requests && this.clock.timers[0] !== NOTICE_TIMEOUT_MS &&
        (this.clock.timers.length > 0 || this.channel.waiting === 0),
      `request ${requests} has failed`,
    );
    return this.clock.timers[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.channel.close(0);
    this.clock.pass(0);
    await closed;
    await this.hook[Symbol.asyncDispose]();
  }
}

Deno.test("Channel sends one after the other, in order", async () => {
  await using rig = new Rig("/ok");
  rig.send(5);
  assert.equal(rig.channel.waiting, 5);
  await until(() => rig.counts.sent === 5, "all are sent");
  assert.equal(rig.channel.waiting, 0);
  rig.hook.received.forEach(({ body }, i) => assert.match(body, new RegExp(`192\\.0\\.2\\.${i} `)));
  assert.deepEqual([rig.said, rig.clock.timers], [[], []]);
});

Deno.test("Channel tries again, each time later, until the server takes it; says so once", async () => {
  await using rig = new Rig("/ok");
  rig.hook.next.push(503, 500, 503, 503);
  rig.send(2);
  for (const [i, wait] of [1000, 2000, 4000, 8000].entries()) {
    assert.equal(await rig.pause(i + 1), wait);
    rig.clock.pass(wait);
  }
  await until(() => rig.counts.sent === 2, "both are sent");
  assert.equal(rig.hook.received.length, 6);
  const endpoint = `NOTIFY_URL: 127.0.0.1:${rig.hook.port}`;
  assert.deepEqual(rig.said, [
    `${endpoint}: it answers with status 503: it is tried again for a while`,
    `${endpoint}: it answers with status 500: it is tried again for a while`,
    `${endpoint}: it answers with status 503: it is tried again for a while`,
    `${endpoint} takes notifications again`,
  ]);
  assert.equal(rig.counts.lost, 0);
});

Deno.test("Channel waits as long as Retry-After says, unless that is too long", async () => {
  await using rig = new Rig("/status/429/77");
  rig.send();
  assert.equal(await rig.pause(1), 77_000);
  await using far = new Rig(`/status/429/${NOTICE_AGE_MS / 1000 + 1}`);
  far.send();
  await until(() => far.counts.lost === 1, "it is given up");
  assert.deepEqual([far.hook.received.length, far.clock.timers], [1, []]);
});

Deno.test("Channel gives up in the end, and tells that something was lost", async () => {
  await using rig = new Rig("/status/502");
  rig.send();
  const waits: number[] = [];
  for (let tries = 1; tries <= NOTICE_TRIES; tries++) {
    const wait = await rig.pause(tries);
    if (wait === undefined) break;
    waits.push(wait / 1000);
    rig.clock.pass(wait);
  }
  await until(() => rig.counts.lost === 1, "it is given up");
  assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 64, 120, 120, 120, 120, 120, 120]);
  assert.deepEqual([rig.hook.received.length, rig.onLost], [NOTICE_TRIES, 1]);
  assert.deepEqual([rig.said.length, rig.clock.timers], [1, []]);
});

Deno.test("Channel does not try again what the server refuses, and goes on with the next", async () => {
  await using rig = new Rig("/ok");
  rig.hook.next.push(404, 404);
  rig.send(3);
  await until(() => rig.counts.sent === 1, "the third is sent");
  assert.deepEqual(rig.counts, { sent: 1, lost: 2 });
  assert.equal(rig.onLost, 2);
  assert.equal(rig.said.length, 2);
  assert.match(rig.said[0], /: it answers with status 404: this notification is not tried again$/);
});

Deno.test("Channel keeps so many notifications for a server that hangs, and counts what is lost", async () => {
  await using rig = new Rig("/hang");
  rig.send(NOTICES_WAITING + 10);
  assert.deepEqual([rig.channel.waiting, rig.counts.lost], [NOTICES_WAITING, 10]);
  await until(() => rig.hook.received.length === 1, "the first is under way");
  rig.clock.pass(NOTICE_TIMEOUT_MS);
  assert.equal(await rig.pause(1), 1000);
  assert.match(rig.said[0], /: it does not answer in time: it is tried again for a while$/);
});

Deno.test("Channel sends what waits when it is closed, and tries nothing twice then", async () => {
  await using rig = new Rig("/ok");
  rig.hook.next.push(503);
  rig.send(3);
  await rig.pause(1);
  await rig.channel.close(10_000);
  assert.deepEqual([rig.counts, rig.hook.received.length], [{ sent: 3, lost: 0 }, 4]);
  rig.send();
  assert.equal(rig.counts.lost, 1);
});

Deno.test("Channel loses what a server that hangs has not taken when it is closed", async () => {
  await using rig = new Rig("/hang");
  rig.send(3);
  await until(() => rig.hook.received.length === 1, "the first is under way");
  const closed = rig.channel.close(400);
  rig.clock.pass(400);
  await closed;
  assert.deepEqual(rig.counts, { sent: 0, lost: 3 });
  assert.deepEqual(rig.clock.timers, []);
});
