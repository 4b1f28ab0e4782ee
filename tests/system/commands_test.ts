/**
 * The commands against a running program, and without one.
 */
import assert from "node:assert/strict";
import { ask } from "../../src/daemon/control_client.ts";
import { Network, SCANNER, WATCHED } from "./network.ts";
import { Program, type ProgramOptions } from "./program.ts";

const CONFIG = `TCP_PORTS="1-1024"
UDP_PORTS="53"
BLOCK_TCP="1"
FIREWALL="nftables"
STATE_FILE="FOLDER/state.db"
CONTROL_SOCKET="FOLDER/control.sock"
`;

async function withProgram(
  use: (program: Program, network: Network) => Promise<void>,
  options: ProgramOptions = {},
): Promise<void> {
  await using network = await Network.create();
  await using program = await Program.start({
    config: CONFIG,
    namespace: network.watched,
    ...options,
  });
  await use(program, network);
}

async function json(program: Program, ...args: string[]) {
  const { code, stdout, stderr } = await program.command(...args, "--json");
  assert.equal(stderr, "");
  return { code, answer: JSON.parse(stdout) };
}

Deno.test("status tells what is watched and what was counted", async () => {
  await withProgram(async (program, network) => {
    await network.nmap(`-sS -p 20-29 ${WATCHED.ipv4}`);
    await program.events(10);
    const { code, answer } = await json(program, "status");
    assert.equal(code, 0);
    assert.equal(answer.mode, "stealth (pcap)");
    assert.deepEqual(answer.watching, [`eth0 (${WATCHED.ipv4}, ${WATCHED.ipv6})`]);
    assert.equal(answer.counters.probes, 10);
    assert.equal(answer.counters.lostBeforeReading, 0);
    assert.deepEqual(answer.firewall, { firewall: "nftables", blockedNow: 1, blocksQueued: 0 });
    const { stdout } = await program.command("status");
    assert.match(stdout, /^mode +stealth \(pcap\)$/m);
    assert.match(stdout, /^probes +10$/m);
    assert.match(stdout, /^blocked now +1$/m);
  });
});

Deno.test("blocked lists the blocks, those that end first come first", async () => {
  await withProgram(async (program) => {
    assert.equal((await program.command("blocked")).stdout, "No host is blocked\n");
    for (
      const [host, time] of [["203.0.113.1", "2h"], ["203.0.113.2", "0"], ["203.0.113.3", "5m"]]
    ) {
      const { code } = await program.command("block", host, "--for", time, "--why", "a test of it");
      assert.equal(code, 0);
    }
    const { answer } = await json(program, "blocked");
    assert.deepEqual(answer.blocked.map(({ host }: { host: string }) => host), [
      "203.0.113.3",
      "203.0.113.1",
      "203.0.113.2",
    ]);
    assert.equal(answer.blocked[0].reason, "a test of it");
    const lines = (await program.command("blocked")).stdout.split("\n");
    assert.match(lines[0], /^HOST +ENDS +TIMES +SINCE +REASON$/);
    assert.match(lines[1], /^203\.0\.113\.3 +in (5m|4m\d+s) +1 +20\S+Z +a test of it$/);
    assert.match(lines[3], /^203\.0\.113\.2 +never /);
  });
});

Deno.test("block and unblock change kernel, memory and log", async () => {
  await withProgram(async (program, network) => {
    const block = await program.command("block", SCANNER.ipv4, "--for", "10m");
    assert.deepEqual([block.code, block.stdout, block.stderr], [
      0,
      `${SCANNER.ipv4} is blocked for 10m\n`,
      "",
    ]);
    assert.equal(
      (await network.onScanner(`ping -c 1 -W 1 ${WATCHED.ipv4}`, { mayFail: true })).code,
      1,
    );
    const unblock = await program.command("unblock", `${SCANNER.ipv4}/24`);
    assert.deepEqual([unblock.code, unblock.stdout], [
      0,
      `${SCANNER.ipv4} is not blocked any more\n`,
    ]);
    assert.match((await network.nmap(`-sT -p 2000 ${WATCHED.ipv4}`)).stdout, /2000\/tcp closed/);
    assert.equal((await program.command("unblock", "--all")).stdout, "No such host is blocked\n");
    await program.until(
      () => program.stdout.includes(`Host ${SCANNER.ipv4} has been unblocked by hand\n`),
      "it is told",
    );
  });
});

Deno.test("unblock --all lifts every block", async () => {
  await withProgram(async (program) => {
    await program.command("block", "203.0.113.1");
    await program.command("block", "2001:db8:9::1");
    const { answer } = await json(program, "unblock", "--all");
    assert.deepEqual(answer.unblocked.map(({ host }: { host: string }) => host).sort(), [
      "2001:db8:9::/64",
      "203.0.113.1",
    ]);
    assert.deepEqual((await json(program, "blocked")).answer, { blocked: [] });
  });
});

Deno.test("block refuses a host that the guard spares, and says why", async () => {
  await withProgram(async (program) => {
    const { code, stdout, stderr } = await program.command("block", WATCHED.ipv4);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(
      stderr,
      /192\.0\.2\.1 is an address of this host: LOCKOUT_GUARD never blocks it\n/,
    );
  });
});

Deno.test("reload reads the configuration again, or tells its faults", async () => {
  await withProgram(async (program, network) => {
    const file = `${program.folder}/portsentry.conf`;
    const config = Deno.readTextFileSync(file);
    Deno.writeTextFileSync(file, config.replace("1-1024", "2000-2010"));
    assert.equal(
      (await program.command("reload")).stdout,
      "The configuration has been read again\n",
    );
    await network.nmap(`-sS -p 23,2005 ${WATCHED.ipv4}`);
    assert.equal((await program.events(1)).length, 1);
    Deno.writeTextFileSync(file, `${config}BLOCK_TIME="soon"\n`);
    const { code, stdout } = await program.command("reload");
    assert.equal(code, 1);
    assert.match(stdout, /portsentry\.conf:\d+: BLOCK_TIME: .*"soon"/);
    assert.match(stdout, /The old configuration stays in force\n/);
  });
});

Deno.test("reload is answered where it was asked, also when CONTROL_SOCKET is another from then on", async () => {
  await withProgram(async (program) => {
    const file = `${program.folder}/portsentry.conf`;
    const config = Deno.readTextFileSync(file);
    Deno.writeTextFileSync(file, config.replace("control.sock", "other.sock"));
    const answer = ask(`${program.folder}/control.sock`, { command: "reload" });
    assert.deepEqual(answer, { reloaded: true, faults: [] });
    assert.equal((await program.command("status")).code, 0);
  });
});

Deno.test("commands without FIREWALL say what to set", async () => {
  await withProgram(async (program) => {
    const { code, stderr } = await program.command("blocked");
    assert.equal(code, 1);
    assert.match(stderr, /no firewall of its own: set FIREWALL="nftables" in .*portsentry\.conf\n/);
    assert.match((await program.command("status")).stdout, /^firewall +none$/m);
  }, { config: 'TCP_PORTS="1-10"\nCONTROL_SOCKET="FOLDER/control.sock"' });
});

for (const name of ["status", "blocked", "reload", "unblock"]) {
  Deno.test(`${name} without a running program says so, with exit status 1`, async () => {
    await withProgram(async (program) => {
      await program.stop();
      const args = name === "unblock" ? ["--all"] : [];
      const { code, stdout, stderr } = await program.command(name, ...args);
      assert.deepEqual([code, stdout], [1, ""]);
      const socket = `${program.folder}/control.sock`;
      assert.equal(stderr, `portsentry: No portsentry is running: nobody listens on ${socket}\n`);
    });
  });
}

Deno.test("check tells what would be watched and done, and says that it is OK", async () => {
  await withProgram(async (program) => {
    const { code, stdout, stderr } = await program.command("check");
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^TCP ports +1-1024$/m);
    assert.match(stdout, /^UDP ports +53$/m);
    assert.match(stdout, /^TCP probes +block their hosts via nftables for 1h$/m);
    assert.match(stdout, /^UDP probes +are logged$/m);
    assert.match(stdout, /\nconfiguration OK\n$/);
    assert.equal((await json(program, "check")).answer.ok, true);
  });
});

Deno.test("check tells every fault of the files, with exit status 1", async () => {
  await withProgram(async (program) => {
    const file = `${program.folder}/portsentry.conf`;
    Deno.writeTextFileSync(file, 'TCP_PORTS="0"\nBLOCK_TIME="5"\n');
    const { code, stdout, stderr } = await program.command("check");
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /portsentry\.conf:1: TCP_PORTS/);
    assert.match(stderr, /portsentry\.conf:2: BLOCK_TIME/);
    const { code: status, answer } = await json(program, "check");
    assert.equal(status, 1);
    assert.equal(answer.ok, false);
    assert.equal(answer.faults.length, 2);
  });
});

/** Lines of a configuration, and what is told of them. */
const FILES_IN_VAIN: [line: string, told: RegExp][] = [
  ['HISTORY_FILE="FOLDER"', /Cannot write the history file: it is a directory$/m],
  ['HISTORY_FILE="FOLDER/file/a/h"', /h: Cannot write the history file: Not a directory/],
  ['BLOCKED_FILE="FOLDER/file/b"', /b: Cannot use it as BLOCKED_FILE: Not a directory/],
  ['BLOCKED_FILE="FOLDER/file"', /file: Cannot use it as BLOCKED_FILE: the record at byte 0/],
  ['CONTROL_SOCKET="FOLDER/file"', /file: Cannot listen there .*: there is a file of that name/],
  ['RUN_AS="no-such"', /portsentry\.conf: RUN_AS: there is no user "no-such"$/m],
];

Deno.test("check tells of files what the start would tell, and makes none", async (test) => {
  for (const [line, told] of FILES_IN_VAIN) {
    await test.step(line, async () => {
      for (const args of [["check"], ["--connect"]]) {
        await using program = spawnWith(line, args);
        const before = filesOf(program);
        assert.equal(await program.ended(), 1);
        assert.match(program.stderr, told);
        assert.equal(program.stdout, "");
        assert.deepEqual(filesOf(program), before);
      }
    });
  }
});

Deno.test("check warns of a STATE_FILE that cannot be used, and of one it is all well with not", async (test) => {
  for (
    const [line, told] of [
      ['STATE_FILE="FOLDER"', /^warning: \S+: Cannot use it as STATE_FILE: it is no file$/m],
      ['STATE_FILE="FOLDER/file/x/s.db"', /s\.db: Cannot use it as STATE_FILE: Not a directory/],
      ['STATE_FILE="FOLDER/file"', /file: Cannot use it as STATE_FILE: it holds something else$/m],
      ['STATE_FILE="FOLDER/a/b/s.db"', /^(?!warning)/],
    ] as const
  ) {
    await test.step(line, async () => {
      await using program = spawnWith(line, ["check"]);
      const before = filesOf(program);
      assert.equal(await program.ended(), 0);
      assert.match(program.stdout, told);
      assert.match(program.stdout, /\nconfiguration OK\n$/);
      assert.deepEqual(filesOf(program), before);
    });
  }
});

function spawnWith(line: string, args: string[]): Program {
  const files = { file: new TextEncoder().encode("something else\n") };
  return Program.spawn({ config: `TCP_PORTS="47007"\n${line}\n`, files, args });
}

function filesOf({ folder }: Program): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).toSorted();
}

Deno.test("a second program with the same CONTROL_SOCKET is refused", async () => {
  await withProgram(async (program, network) => {
    await using second = Program.spawn({
      config: `TCP_PORTS="1-10"\nCONTROL_SOCKET="${program.folder}/control.sock"`,
      namespace: network.watched,
      permissions: [`--allow-read=${program.folder}`, `--allow-write=${program.folder}`],
    });
    assert.equal(await second.ended(), 1);
    assert.match(
      second.stderr,
      /control\.sock: Cannot listen there for commands: another running portsentry/,
    );
  });
});
