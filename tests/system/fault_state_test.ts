/**
 * STATE_FILE with others about: two programs, and a disk that is full when the program starts.
 */
import assert from "node:assert/strict";
import { Network, SCANNER, words } from "./network.ts";
import { Program } from "./program.ts";
import { blocked, probe, Shared } from "./shared_state.ts";

Deno.test("two programs with one STATE_FILE: the second is refused, and the first goes on", async () => {
  await using network = await Network.create();
  using shared = new Shared(network);
  await using program = await shared.start();
  await probe(network, program);
  {
    await using second = shared.spawn();
    assert.equal(await second.ended(), 1);
    assert.match(
      second.stderr,
      /portsentry\.db: another running portsentry keeps its state there: let each have a STATE_FILE/,
    );
    assert.equal(second.stdout, "");
  }
  {
    const link = `${shared.folder}/link.db`;
    Deno.symlinkSync(shared.state, link);
    await using second = shared.spawn("", {}, link);
    assert.equal(await second.ended(), 1);
    assert.match(second.stderr, /link\.db: another running portsentry keeps its state there/);
  }
  assert.deepEqual((await blocked(program)).map(({ host }) => host), [SCANNER.ipv4]);
  assert.equal(program.stderr, "");
  program.child.kill("SIGKILL");
  await program.ended();
  // The lock has ended with the process, whatever ended that.
  await using third = await shared.start();
  assert.deepEqual((await blocked(third)).map(({ host }) => host), [SCANNER.ipv4]);
  assert.equal(third.stderr, "");
});

Deno.test("two programs with FIREWALL in one network namespace: the second is refused", async () => {
  await using network = await Network.create();
  using shared = new Shared(network);
  using other = new Shared(network);
  await using dry = await other.start();
  const file = `${dry.folder}/portsentry.conf`;
  const config = Deno.readTextFileSync(file);
  Deno.writeTextFileSync(file, `${config}DRY_RUN="1"\n`);
  assert.equal((await dry.command("reload")).code, 0);
  await using program = await shared.start();
  await probe(network, program);
  const refused =
    `FIREWALL="nftables": another running portsentry, process ${program.child.pid}, ` +
    "blocks with the same table: let one of the two watch the ports of both\n";
  using third = new Shared(network);
  for (let i = 0; i < 10; i++) {
    await using second = third.spawn();
    assert.equal(await second.ended(), 1);
    assert.equal(second.stderr, `${second.folder}/portsentry.conf: ${refused}`);
    assert.equal(second.stdout, "");
  }
  Deno.writeTextFileSync(file, config);
  assert.ok((await dry.command("reload")).stdout.includes(refused));
  assert.deepEqual((await blocked(program)).map(({ host }) => host), [SCANNER.ipv4]);
  assert.equal(program.stderr, "");
  program.child.kill("SIGKILL");
  await program.ended();
  // It has ended with the process, whatever ended that.
  assert.equal((await dry.command("reload")).code, 0);
  assert.deepEqual(await blocked(dry), []);
});

/** A user without rights who has the name by which two programs know of each other. */
const SQUATTER = `use Socket;
  socket(S, PF_UNIX, SOCK_STREAM, 0);
  bind(S, pack("S a108", PF_UNIX, "\\0portsentry: table inet portsentry")) or die;
  listen(S, 1);
  $| = 1;
  print "1";
  sleep 60`;

Deno.test("a user who pretends to be another program with FIREWALL is told, and prevents no start", async () => {
  await using network = await Network.create();
  using shared = new Shared(network);
  const squatter = new Deno.Command("ip", {
    args: [
      ...words(`netns exec ${network.watched} setpriv --reuid 65534 --clear-groups perl -e`),
      SQUATTER,
    ],
    stdout: "piped",
  }).spawn();
  const output = squatter.stdout.getReader();
  try {
    await output.read();
    await using program = await shared.start();
    assert.match(program.stderr, /^Process \d+ of user 65534 seems to use FIREWALL, too: /);
    await probe(network, program);
    assert.equal((await blocked(program)).length, 1);
  } finally {
    squatter.kill("SIGKILL");
    await output.cancel();
    await squatter.status;
  }
});

const FULL_DISK = 'mount -t tmpfs -o size=256k none "$0"; ' +
  'dd if=/dev/zero of="$0/filler" bs=4096 2>/dev/null; exec "$@"';

Deno.test("STATE_FILE on a disk that is full at the start is written as soon as there is room", async () => {
  await using network = await Network.create();
  using shared = new Shared(network);
  const state = `${shared.folder}/state`;
  Deno.mkdirSync(state);
  await using program = await shared.start("", {
    wrapper: ["sh", "-c", FULL_DISK, state],
  });
  const full = /Cannot use \S+ as STATE_FILE: .*: blocks will be forgotten in a restart/;
  assert.match(program.stderr, full);
  await probe(network, program);
  assert.equal((await blocked(program)).length, 1);
  const seen = `/proc/${program.child.pid}/root${state}`;
  Deno.removeSync(`${seen}/filler`);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await program.command("block", "203.0.113.1");
  const told = () => program.stdout.includes("can be written again, and has all blocks");
  await program.until(told, "it is told");
  const { DatabaseSync } = await import("node:sqlite");
  for (const name of ["portsentry.db", "portsentry.db-wal"]) {
    Deno.copyFileSync(`${seen}/${name}`, `${shared.folder}/${name}`);
  }
  const copy = new DatabaseSync(`${shared.folder}/portsentry.db`);
  assert.deepEqual(
    copy.prepare("SELECT host, count FROM offenders ORDER BY host").all()
      .map(({ host, count }) => [host, count]),
    [[SCANNER.ipv4, 1], ["203.0.113.1", 1]],
  );
  assert.equal(copy.prepare("SELECT count(*) AS n FROM blocks").get()!.n, 2);
  copy.close();
  assert.equal(await program.stop(), 0);
});

for (
  const [what, names] of [["it", [""]], ["all that SQLite keeps", ["", "-wal", "-shm"]]] as const
) {
  Deno.test(`STATE_FILE: when ${what} is deleted, that is told, and a restart has the blocks`, async () => {
    await using network = await Network.create();
    using shared = new Shared(network);
    {
      await using program = await shared.start();
      await program.command("block", "203.0.113.1");
      for (const end of names) Deno.removeSync(shared.state + end);
      await probe(network, program);
      const told =
        /STATE_FILE \S+ was deleted or replaced: blocks are in force, and are written to it/;
      await program.until(() => told.test(program.stderr), "it is told");
      await program.command("block", "203.0.113.2");
      assert.equal(await program.stop(), 0);
      assert.equal(program.stderr.split("was deleted or replaced").length, 2, program.stderr);
    }
    await using program = await shared.start();
    assert.equal(program.stderr, "");
    const hosts = (await blocked(program)).map(({ host }) => host).toSorted();
    assert.deepEqual(hosts, [SCANNER.ipv4, "203.0.113.1", "203.0.113.2"]);
  });
}

Deno.test("STATE_FILE and CONTROL_SOCKET in folders that are there need no permission for the folders", async () => {
  await using network = await Network.create();
  using shared = new Shared(network);
  const files = [`${shared.folder}/state.db`, `${shared.folder}/control.sock`].join();
  await using program = await Program.start({
    config: `TCP_PORTS="1-1024"\nSTATE_FILE="${shared.folder}/state.db"\n` +
      `CONTROL_SOCKET="${shared.folder}/control.sock"`,
    namespace: network.watched,
    permissions: [`--allow-read=${files}`, `--allow-write=${files}`],
  });
  assert.equal((await program.command("status")).code, 0);
  assert.equal(await program.stop(), 0);
  assert.equal(program.stderr, "");
  const left = [...Deno.readDirSync(shared.folder)].map(({ name }) => name).toSorted();
  assert.deepEqual(left, ["state.db", "state.db-lock"]);
});
