import assert from "node:assert/strict";
import fc from "fast-check";
import { type Config, defaultConfig } from "../../src/config/config.ts";
import { Logger } from "../../src/log/logger.ts";
import { Blocks } from "../../src/response/blocks.ts";
import type { Block } from "../../src/response/firewall.ts";
import { StateKeeper } from "../../src/response/state_keeper.ts";
import { ScanStore } from "../../src/state/scan_store.ts";
import type { BlockRecord } from "../../src/state/state_file.ts";

/** Stands where the kernel does, and can refuse as it does; the real one has system tests. */
class Kernel {
  readonly held = new Map<string, number | undefined>();
  batches = 0;
  refusal: string | undefined;

  block(blocks: readonly Block[]): void {
    this.batches++;
    if (this.refusal !== undefined) throw new Error(this.refusal);
    for (const { host, remainingMs } of blocks) this.held.set(host, remainingMs);
  }

  unblock(hosts: readonly string[]): void {
    if (this.refusal !== undefined) throw new Error(this.refusal);
    for (const host of hosts) this.held.delete(host);
  }
}

function setUp(
  settings: Partial<Config> = {},
  spared: (text: string) => boolean = () => false,
  stateFile?: string,
  kept?: StateKeeper,
) {
  const log = new Logger({ verbose: false, debug: false, outputs: [] });
  const kernel = new Kernel();
  const state = kept ?? new StateKeeper(stateFile, log);
  const config = { ...defaultConfig("portsentry.conf"), ...settings };
  const blocks = new Blocks({
    config,
    firewall: kernel,
    state,
    holdsProtected: ({ address, prefix }) => spared(`${address}/${prefix}`),
    soon: queueMicrotask,
    log,
  });
  state.current = () => blocks.list();
  return { blocks, kernel, state, config };
}

async function blocked(blocks: Blocks, host: string, seconds?: number): Promise<BlockRecord> {
  const result = await blocks.block(host, "TCP port 23", seconds);
  assert.ok("record" in result, "failure" in result ? result.failure : "");
  return result.record;
}

const lastsS = ({ startMs, endMs }: BlockRecord) =>
  endMs === undefined ? 0 : (endMs - startMs) / 1000;

Deno.test("Blocks.block() blocks the first host at once, and tells it", () => {
  const { blocks, kernel } = setUp();
  const result = blocks.block("192.0.2.1", "");
  assert.ok(!(result instanceof Promise) && "record" in result);
  assert.deepEqual([...kernel.held.keys()], ["192.0.2.1"]);
  assert.ok(blocks.has("192.0.2.1"));
});

Deno.test("Blocks.block() puts the thousand hosts behind the first one into force in one batch", async () => {
  const { blocks, kernel } = setUp();
  const hosts = Array.from({ length: 1000 }, (_, i) => `10.0.${i >> 8}.${i & 0xff}`);
  await Promise.all(hosts.map((host) => blocked(blocks, host)));
  assert.equal(kernel.batches, 2);
  assert.equal(blocks.size, 1000);
  assert.deepEqual([...kernel.held.keys()], hosts);
});

Deno.test("Blocks.block() blocks a host that comes back for longer, up to BLOCK_TIME_MAX", async () => {
  const { blocks } = setUp({ blockTimeS: 60, blockTimeGrowth: 3, blockTimeMaxS: 1000 });
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const record = await blocked(blocks, "192.0.2.1");
    times.push(lastsS(record));
    assert.equal(record.count, i + 1);
  }
  assert.deepEqual(times, [60, 180, 540, 1000, 1000]);
});

Deno.test("Blocks.block() by hand goes before the probe of the same host that waits", async () => {
  const { blocks } = setUp();
  blocks.block("192.0.2.1", "");
  const probe = blocks.block("192.0.2.2", "TCP port 23");
  const record = (await blocks.block("192.0.2.2", "by hand", 7)) as { record: BlockRecord };
  assert.deepEqual([lastsS(record.record), record.record.reason], [7, "by hand"]);
  assert.deepEqual(await probe, record);
});

Deno.test("Blocks.block() with BLOCK_TIME 0 lasts until it is lifted", async () => {
  const { blocks, kernel } = setUp({ blockTimeS: 0 });
  assert.equal((await blocked(blocks, "192.0.2.1")).endMs, undefined);
  assert.deepEqual([...kernel.held], [["192.0.2.1", undefined]]);
});

Deno.test("Blocks.unblock() lifts what is asked, and forgives its host", async () => {
  const { blocks, kernel } = setUp({ blockTimeS: 60 });
  await blocked(blocks, "192.0.2.1");
  await blocked(blocks, "192.0.2.2");
  assert.deepEqual(blocks.unblock(({ host }) => host === "192.0.2.1").map(({ host }) => host), [
    "192.0.2.1",
  ]);
  assert.ok(!blocks.has("192.0.2.1"));
  assert.ok(blocks.has("192.0.2.2"));
  assert.deepEqual([...kernel.held.keys()], ["192.0.2.2"]);
  assert.equal(lastsS(await blocked(blocks, "192.0.2.1")), 60);
});

Deno.test("Blocks.block() blocks the network of an IPv6 host, and all its hosts are blocked", async () => {
  const { blocks, kernel } = setUp();
  await Promise.all(["2001:db8::1", "2001:db8::2"].map((host) => blocked(blocks, host)));
  assert.deepEqual([...kernel.held.keys()], ["2001:db8::/64"]);
  assert.ok(blocks.has("2001:db8::ffff"));
  assert.ok(!blocks.has("2001:db8:0:1::1"));
});

Deno.test("Blocks.block() blocks the one address where its network holds a host to be spared", async () => {
  const { blocks, kernel } = setUp({}, () => true);
  await blocked(blocks, "fe80::1");
  assert.deepEqual([...kernel.held.keys()], ["fe80::1"]);
  assert.ok(!blocks.has("fe80::2"));
});

Deno.test("Blocks.block() makes room in BLOCK_MAX by those that would end first", async () => {
  const { blocks, kernel } = setUp({ blockMax: 2 });
  await blocked(blocks, "192.0.2.1", 300);
  await blocked(blocks, "192.0.2.2", 100);
  await blocked(blocks, "192.0.2.3", 200);
  assert.deepEqual([...kernel.held.keys()], ["192.0.2.1", "192.0.2.3"]);
  assert.ok(!blocks.has("192.0.2.2"));
  const results = await Promise.all(
    ["192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7"].map((host) => blocks.block(host, "")),
  );
  // The first was at once; of those behind it there are too many.
  assert.deepEqual(results.map((result) => "record" in result), [true, false, true, true]);
  assert.equal(kernel.held.size, 2);
});

Deno.test("Blocks.block() says what the kernel says, and nothing is blocked", async () => {
  const { blocks, kernel, state } = setUp();
  kernel.refusal = "no such table";
  assert.deepEqual(await blocks.block("192.0.2.1", ""), { failure: "no such table" });
  assert.ok(!blocks.has("192.0.2.1"));
  assert.equal(state.blockCount("192.0.2.1", Date.now()), 0);
});

Deno.test("Blocks.has() is false from the end of a block on", async () => {
  const { blocks } = setUp();
  await blocked(blocks, "192.0.2.1", 1);
  assert.ok(blocks.has("192.0.2.1"));
  await new Promise((resolve) => setTimeout(resolve, 1050));
  assert.ok(!blocks.has("192.0.2.1"));
  assert.equal(blocks.size, 0);
});

Deno.test("Blocks.restore() takes what is left of each block, whatever the clock says", () => {
  const { blocks } = setUp();
  const now = Date.now();
  const one = (host: string, startMs: number, endMs?: number): BlockRecord => ({
    host,
    startMs,
    endMs,
    reason: "",
    count: 1,
  });
  blocks.restore([
    one("192.0.2.1", now - 30_000, now + 30_000),
    one("192.0.2.2", now - 60_000, now - 1),
    one("192.0.2.3", now - 60_000),
    // The clock was set back by an hour since: it was to last for a minute.
    one("192.0.2.4", now + 3_600_000, now + 3_660_000),
  ]);
  const left = new Map([...blocks.current()].map(({ host, remainingMs }) => [host, remainingMs]));
  assert.deepEqual([...left.keys()].sort(), ["192.0.2.1", "192.0.2.3", "192.0.2.4"]);
  assert.ok(Math.abs(left.get("192.0.2.1")! - 30_000) < 1000);
  assert.equal(left.get("192.0.2.3"), undefined);
  assert.ok(Math.abs(left.get("192.0.2.4")! - 60_000) < 1000);
});

Deno.test("Blocks.reconfigure() and restore() keep to BLOCK_MAX, and so does the state file", async () => {
  const { blocks, kernel, state, config } = setUp();
  for (let n = 1; n <= 5; n++) await blocked(blocks, `192.0.2.${n}`, 60 * n);
  const before = state.stored();
  const expected = ["192.0.2.4", "192.0.2.5"];
  const agree = () => {
    assert.deepEqual(blocks.list().map(({ host }) => host), expected);
    assert.deepEqual(state.stored().map(({ host }) => host), expected);
  };
  blocks.reconfigure({ ...config, blockMax: 2 });
  agree();
  assert.deepEqual([...kernel.held.keys()], expected);
  // Of a run that allowed more.
  state.add(before, []);
  const next = setUp({ blockMax: 2 }, undefined, undefined, state);
  next.blocks.restore(before);
  assert.deepEqual(next.blocks.list().map(({ host }) => host), expected);
  agree();
});

Deno.test("Blocks.reconfigure() keeps hosts of networks with another BLOCK_PREFIX_IPV6 blocked", async () => {
  const { blocks, kernel, config } = setUp();
  await blocked(blocks, "2001:db8::1");
  blocks.reconfigure({ ...config, blockPrefixIpv6: 128 });
  assert.ok(blocks.has("2001:db8::2"));
  await blocked(blocks, "2001:db8:1::1");
  assert.ok(!blocks.has("2001:db8:1::2"));
  assert.deepEqual([...kernel.held.keys()], ["2001:db8::/64", "2001:db8:1::1"]);
});

Deno.test("Blocks: memory, state and kernel hold the same after any course of things", async () => {
  const host = fc.integer({ min: 0, max: 12 }).map((n) =>
    n < 8 ? `192.0.2.${n}` : `2001:db8:0:${n}::${n}`
  );
  const step = fc.oneof(
    fc.record({ kind: fc.constant("block"), hosts: fc.array(host, { maxLength: 6 }) }),
    fc.record({ kind: fc.constant("unblock"), hosts: fc.array(host, { maxLength: 3 }) }),
    fc.record({ kind: fc.constant("refuse"), hosts: fc.array(host, { maxLength: 3 }) }),
  );
  await fc.assert(fc.asyncProperty(
    fc.array(step, { maxLength: 20 }),
    fc.integer({ min: 1, max: 6 }),
    async (steps, blockMax) => {
      const { blocks, kernel, state } = setUp({ blockMax });
      for (const { kind, hosts } of steps) {
        if (kind === "unblock") blocks.unblock((record) => hosts.includes(record.host));
        else {
          kernel.refusal = kind === "refuse" ? "no" : undefined;
          await Promise.all(hosts.map((one) => blocks.block(one, "")));
          kernel.refusal = undefined;
        }
        const inMemory = blocks.list().map((record) => record.host).sort();
        assert.deepEqual([...kernel.held.keys()].sort(), inMemory);
        assert.deepEqual(state.stored().map((record) => record.host).sort(), inMemory);
        assert.ok(inMemory.length <= blockMax);
      }
    },
  ));
});

Deno.test("Blocks.block() blocks a host when the state file is broken while it is open", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  try {
    const path = `${folder}/state.db`;
    const { blocks, kernel, state } = setUp({}, undefined, path);
    await blocked(blocks, "192.0.2.1");
    const store = new ScanStore(path, { error: () => {}, notice: () => {} });
    for (const name of [path, `${path}-wal`]) Deno.truncateSync(name, 0);
    // What this one writes makes the other one read anew.
    store.countBlock();
    store.close();
    assert.equal((await blocked(blocks, "192.0.2.2")).count, 1);
    assert.deepEqual([...kernel.held.keys()], ["192.0.2.1", "192.0.2.2"]);
    state.close();
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
