/**
 * STATE_FILE in bad weather: clocks that are set, files that are damaged, disks that are full.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Network, SCANNER } from "./network.ts";
import { BUILT } from "./program.ts";
import { blocked, clock, probe, Shared } from "./shared_state.ts";

const TOOL = fileURLToPath(new URL("../../tools/portsentry", import.meta.url));

for (const [what, offset] of [["back by an hour", "-3600"], ["on by a day", "+86400"]]) {
  Deno.test(`STATE_FILE: a clock set ${what} changes no block, also after a restart`, async () => {
    await using network = await Network.create();
    using shared = new Shared(network);
    const { env, set } = clock(shared.folder);
    {
      await using program = await shared.start('BLOCK_TIME="10m"', { env });
      await probe(network, program);
      set(offset);
      assert.equal((await blocked(program)).length, 1);
      await program.stop();
    }
    await using program = await shared.start('BLOCK_TIME="10m"', { env });
    const [{ endMs, host }] = await blocked(program);
    assert.equal(host, SCANNER.ipv4);
    const leftS = (endMs! - (Date.now() + Number(offset) * 1000)) / 1000;
    assert.ok(leftS > 500 && leftS <= 601, `${leftS} s are left`);
    const { stdout } = await network.onWatched("nft list set inet portsentry blocked4");
    assert.match(stdout, /192\.0\.2\.9 timeout \S+ expires (9m|10m)/);
  });
}

Deno.test("STATE_FILE: a damaged one is told and set aside, and blocking goes on", async () => {
  await using network = await Network.create();
  using shared = new Shared(network);
  Deno.mkdirSync(`${shared.folder}/state`);
  Deno.writeTextFileSync(shared.state, "SQLite format 3\0, and then none".repeat(1000));
  await using program = await shared.start();
  assert.match(program.stderr, /STATE_FILE .*portsentry\.db is damaged \(.*\): set aside as /);
  const aside = /set aside as (\S+)/.exec(program.stderr)![1];
  assert.match(Deno.readTextFileSync(aside), /and then none/);
  await probe(network, program);
  assert.equal((await blocked(program)).length, 1);
  await program.stop();
  await using second = await shared.start();
  assert.equal(second.stderr, "");
  assert.equal((await blocked(second)).length, 1);
});

Deno.test("STATE_FILE: a damaged one is set aside by tools/portsentry, in a folder that is there", {
  ignore: BUILT !== undefined,
}, async () => {
  await using network = await Network.create();
  using shared = new Shared(network);
  const config = `${shared.folder}/portsentry.conf`;
  const state = `${shared.folder}/portsentry.db`;
  Deno.writeTextFileSync(
    config,
    `TCP_PORTS="1-1024"\nBLOCK_TCP="1"\nFIREWALL="nftables"\nSTATE_FILE="${state}"\n` +
      `CONTROL_SOCKET="${shared.folder}/control.sock"\nRUN_AS="root"\n`,
  );
  const text = "SQLite format 3\0, and then none".repeat(1000);
  Deno.writeTextFileSync(state, text);
  await using program = await shared.start("", { command: [TOOL, "-c", config] });
  assert.match(program.stderr, /^STATE_FILE \S+ is damaged \(.*\): set aside as \S+\.damaged\n$/);
  assert.equal(Deno.readTextFileSync(`${state}.damaged`), text);
});

Deno.test("STATE_FILE: a block of no address is told and left out, and the others are in force", async () => {
  await using network = await Network.create();
  using shared = new Shared(network);
  const { DatabaseSync } = await import("node:sqlite");
  {
    await using program = await shared.start();
    for (const host of ["198.51.100.1", "198.51.100.2"]) await program.command("block", host);
    await program.stop();
  }
  // A disk that has turned a bit round in a text is nothing that SQLite sees.
  const database = new DatabaseSync(shared.state);
  database.exec("UPDATE blocks SET host = '198.51.100.q' WHERE host = '198.51.100.1'");
  database.close();
  await using program = await shared.start();
  assert.match(program.stderr, /^STATE_FILE \S+: the block of "198\.51\.100\.q" is left out: /m);
  assert.deepEqual((await blocked(program)).map(({ host }) => host), ["198.51.100.2"]);
  await program.stop();
  await using second = await shared.start();
  assert.equal(second.stderr, "");
});

Deno.test("STATE_FILE: a reload that names another one has the blocks in force there, too", async () => {
  await using network = await Network.create();
  using shared = new Shared(network);
  await using program = await shared.start();
  await program.command("block", "198.51.100.1");
  const file = `${program.folder}/portsentry.conf`;
  const config = Deno.readTextFileSync(file);
  Deno.writeTextFileSync(file, config.replace(shared.state, `${shared.folder}/other.db`));
  assert.equal((await program.command("reload")).code, 0);
  await program.command("block", "198.51.100.2");
  const both = ["198.51.100.1", "198.51.100.2"];
  assert.deepEqual((await blocked(program)).map(({ host }) => host).sort(), both);
  const { stdout } = await network.onWatched("nft list set inet portsentry blocked4");
  for (const host of both) assert.ok(stdout.includes(host), stdout);
  program.child.kill("SIGKILL");
  await program.ended();
  await using second = await shared.start(`STATE_FILE="${shared.folder}/other.db"`);
  assert.deepEqual((await blocked(second)).map(({ host }) => host).sort(), both);
});

Deno.test("STATE_FILE: somebody else's database is told and left, and blocking goes on", async () => {
  await using network = await Network.create();
  using shared = new Shared(network);
  const { DatabaseSync } = await import("node:sqlite");
  Deno.mkdirSync(`${shared.folder}/state`);
  const other = new DatabaseSync(shared.state);
  other.exec("CREATE TABLE songs (title TEXT)");
  other.close();
  const before = Deno.readFileSync(shared.state);
  await using program = await shared.start();
  assert.match(program.stderr, /it is a database of something else, and is left as it is/);
  await probe(network, program);
  await program.stop();
  assert.deepEqual(Deno.readFileSync(shared.state), before);
});

Deno.test("STATE_FILE on a read-only file system is told; its blocks are in force, new ones too", async () => {
  await using network = await Network.create();
  using shared = new Shared(network);
  {
    await using program = await shared.start();
    await program.command("block", "203.0.113.1");
    await program.stop();
  }
  await network.onWatched("nft flush ruleset");
  await using program = await shared.start("", {
    wrapper: [
      ...["sh", "-c", 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'],
      `${shared.folder}/state`,
    ],
  });
  assert.match(
    program.stderr,
    /Cannot use .* as STATE_FILE: .*: blocks will be forgotten in a restart/,
  );
  await probe(network, program);
  const hosts = (await blocked(program)).map(({ host }) => host).sort();
  assert.deepEqual(hosts, [SCANNER.ipv4, "203.0.113.1"]);
});

Deno.test("STATE_FILE on a full disk is told once, and written when there is room again", async () => {
  await using network = await Network.create();
  using shared = new Shared(network);
  const state = `${shared.folder}/state`;
  Deno.mkdirSync(state);
  await using program = await shared.start("", {
    wrapper: ["sh", "-c", 'mount -t tmpfs -o size=256k none "$0" && exec "$@"', state],
  });
  // The program's own mounts are seen through its root.
  const seen = `/proc/${program.child.pid}/root${state}`;
  const filler = `${seen}/filler`;
  const full = await new Deno.Command("dd", {
    args: ["if=/dev/zero", `of=${filler}`, "bs=4096"],
    stderr: "null",
  }).output();
  assert.equal(full.code, 1);
  for (let i = 1; i <= 9; i++) await program.command("block", `203.0.113.${i}`);
  assert.equal((await blocked(program)).length, 9);
  assert.equal(program.stderr.match(/Cannot write STATE_FILE/g)?.length, 1, program.stderr);
  Deno.removeSync(filler);
  await program.command("block", "203.0.113.10");
  await program.until(
    () => program.stdout.includes("can be written again, and has all blocks"),
    "it is told",
  );
  const { DatabaseSync } = await import("node:sqlite");
  for (const name of ["portsentry.db", "portsentry.db-wal"]) {
    Deno.copyFileSync(`${seen}/${name}`, `${shared.folder}/${name}`);
  }
  const copy = new DatabaseSync(`${shared.folder}/portsentry.db`);
  assert.equal(copy.prepare("SELECT count(*) AS n FROM blocks").get()!.n, 10);
  copy.close();
});
