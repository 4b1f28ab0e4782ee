import assert from "node:assert/strict";
import { NOTICE_SOURCES, NOTICES_PER_MINUTE } from "../../src/limits.ts";
import { parseConfigFile } from "../../src/config/config_file.ts";
import { describeTargets, Notifier } from "../../src/notify/notifier.ts";
import { ToldSources } from "../../src/notify/told_sources.ts";
import { FakeClock, until } from "./fake_clock.ts";
import { Hook } from "./hook.ts";
import { validNotification } from "./notification_schema.ts";
import { event, OBSERVER, scan, target } from "./samples.ts";

/** A notifier of real servers, by a clock of the test's own. */
function notifierOf(urls: string[], clock: FakeClock, windowS = 3600): Notifier {
  return new Notifier({
    targets: urls.map(target),
    format: "json",
    windowS,
    observer: OBSERVER,
    log: { error: () => {}, notice: () => {} },
    onLost: () => {},
    clock,
  });
}

const DONE = { done: true };

Deno.test("Notifier tells of a source once in a window, be it blocked or a scan over", async () => {
  await using hook = new Hook();
  const clock = new FakeClock();
  const notifier = notifierOf([hook.url("/ok")], clock, 3600);
  notifier.blocked(event("192.0.2.9"), "192.0.2.9", DONE);
  notifier.blocked(event("192.0.2.9"), "192.0.2.9", DONE);
  notifier.summary(scan("192.0.2.9"));
  clock.pass(3_599_999);
  notifier.summary(scan("192.0.2.9"));
  notifier.summary(scan("192.0.2.10", { kind: "probe" }));
  notifier.summary(scan("192.0.2.11"));
  clock.pass(1);
  notifier.summary(scan("192.0.2.9"));
  await until(() => notifier.counts.sent === 3, "three are sent");
  assert.deepEqual(
    hook.received.map(({ body }) => validNotification(body)).map(({ title }) => title),
    ["Blocked 192.0.2.9", "Scan from 192.0.2.11", "Scan from 192.0.2.9"],
  );
  await notifier.close();
  assert.deepEqual(notifier.counts, { sent: 3, lost: 0 });
});

Deno.test("Notifier tells of a distributed scan once in a window, however many sources it has by then", async () => {
  await using hook = new Hook();
  const clock = new FakeClock();
  const notifier = notifierOf([hook.url("/ok")], clock, 3600);
  const campaign = (sources: number, port: string) =>
    scan(`${sources} sources`, { sources, kind: "distributed", samplePorts: [port] });
  notifier.summary(campaign(37, "tcp/23"));
  notifier.summary(campaign(38, "tcp/23"));
  notifier.summary(campaign(38, "tcp/2323"));
  clock.pass(3_600_000);
  notifier.summary(campaign(99, "tcp/23"));
  await notifier.close(10_000);
  const told = hook.received.map(({ body }) => validNotification(body).scan);
  assert.deepEqual(told.map(({ sources }) => sources), [37, 38, 99]);
});

Deno.test("Notifier says what is known of a block, and that DRY_RUN would block", async () => {
  await using hook = new Hook();
  const notifier = notifierOf([hook.url("/ok")], new FakeClock());
  const block = { host: "2001:db8::/64", startMs: 0, endMs: 60_000, count: 3 };
  notifier.blocked(event("2001:db8::9", { protocol: "UDP", port: 53, type: "UDP" }), "x.example", {
    done: true,
    block,
  });
  notifier.blocked(event("192.0.2.9"), "192.0.2.9", { done: false });
  await notifier.close(10_000);
  const [blocked, would] = hook.received.map(({ body }) => validNotification(body));
  assert.deepEqual(blocked.source, { ip: "2001:db8::9", name: "x.example" });
  assert.deepEqual(blocked.probe, {
    protocol: "udp",
    port: 53,
    type: "UDP",
    destination: "192.0.2.1",
  });
  assert.deepEqual([blocked.block.host, blocked.block.times], ["2001:db8::/64", 3]);
  assert.deepEqual([would.kind, would.block], ["dry-run", undefined]);
});

Deno.test("Notifier sends few messages of a flood of 10,000 sources, and counts the others", async () => {
  await using hook = new Hook();
  const clock = new FakeClock();
  const notifier = notifierOf([hook.url("/ok")], clock);
  for (let i = 0; i < 10_000; i++) {
    const source = `10.0.${i >> 8}.${i & 255}`;
    if (i % 4 === 0) notifier.summary(scan(source));
    else notifier.blocked(event(source), source, DONE);
  }
  await until(() => notifier.counts.sent === NOTICES_PER_MINUTE, "the first are sent");
  clock.pass(59_999);
  assert.equal(notifier.waiting, 0);
  clock.pass(1);
  await until(() => notifier.counts.sent === NOTICES_PER_MINUTE + 1, "the sum is sent");
  const bodies = hook.received.map(({ body }) => validNotification(body));
  const { more, text } = bodies.at(-1);
  const told = bodies.slice(0, -1);
  assert.equal(more.blocks + told.filter(({ kind }) => kind === "block").length, 7500);
  assert.equal(more.scans + told.filter(({ kind }) => kind === "scan").length, 2500);
  assert.match(text, /^and 9990 more: 749\d hosts blocked, 249\d scans; from 10\.0\.0\.10, .*, …$/);
  // The sum is one of the next minute's.
  for (let i = 0; i < 20; i++) notifier.blocked(event(`10.1.0.${i}`), "x", DONE);
  await until(() => notifier.waiting === 0, "the queue is empty");
  assert.equal(notifier.counts.sent, 2 * NOTICES_PER_MINUTE);
  await notifier.close(10_000);
  assert.deepEqual(notifier.counts, { sent: 2 * NOTICES_PER_MINUTE + 1, lost: 0 });
  assert.deepEqual(clock.timers, []);
});

Deno.test("Notifier tells every URL, whatever another one does", async () => {
  await using hook = new Hook();
  const notifier = notifierOf(
    [hook.url("/hang"), hook.url("/status/404"), hook.url("/ok")],
    new FakeClock(),
  );
  notifier.blocked(event("192.0.2.9"), "192.0.2.9", DONE);
  await until(() => notifier.counts.sent === 1 && notifier.counts.lost === 1, "two have answered");
  assert.equal(notifier.waiting, 1);
  const closing = notifier.close(0);
  assert.equal(hook.received.length, 3);
  void closing;
});

Deno.test("ToldSources remembers so many, and forgets the oldest", () => {
  const told = new ToldSources();
  const count = NOTICE_SOURCES + 100;
  for (let i = 0; i < count; i++) assert.ok(told.first(`${i}`, i, 1e9));
  assert.ok(!told.first(`${count - 1}`, count, 1e9));
  assert.ok(!told.first("200", count, 1e9));
  assert.ok(told.first("0", count, 1e9));
});

Deno.test("Notifier goes on with a configuration that says the same of where and how", () => {
  const read = (lines: string) => parseConfigFile(`TCP_PORTS="1"\n${lines}`, "c").config!;
  const config = read('NOTIFY_URL="https://a.example/x"');
  const notifier = new Notifier({
    targets: config.notifyTargets!,
    format: config.notifyFormat,
    windowS: 1,
    observer: OBSERVER,
    log: { error: () => {}, notice: () => {} },
    onLost: () => {},
  });
  assert.ok(notifier.serves(read('NOTIFY_URL="https://a.example/x"\nNOTIFY_WINDOW="5m"')));
  assert.ok(!notifier.serves(read('NOTIFY_URL="https://a.example/y"')));
  assert.ok(!notifier.serves(read('NOTIFY_URL="https://a.example/x"\nNOTIFY_FORMAT="json"')));
  assert.ok(!notifier.serves(read("")));
});

Deno.test("describeTargets() tells format, host and port, and no secret", () => {
  const urls = "https://hooks.slack.com/hush https://hush@ntfy.sh/hush http://h.example:81/hush";
  const { config } = parseConfigFile(`TCP_PORTS="1"\nNOTIFY_URL="${urls}"`, "c");
  assert.deepEqual(describeTargets(config!), [
    "slack to hooks.slack.com:443",
    "ntfy to ntfy.sh:443",
    "json to h.example:81, unencrypted",
  ]);
});
