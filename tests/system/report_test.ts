/** `portsentry report`, of a program that runs, of one that has ended, and without a state file. */
import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { makeBundle } from "./bundle.ts";
import { Network, run, WATCHED } from "./network.ts";
import { Program, programCommand, sourceCommand } from "./program.ts";
import { onTerminal } from "./terminal.ts";

const CONFIG = `TCP_PORTS="1-100"
UDP_PORTS="1-100"
BLOCK_TCP="1"
FIREWALL="nftables"
STATE_FILE="FOLDER/state.db"
CONTROL_SOCKET="FOLDER/control.sock"
`;

/** What a report in JSON tells of probes. */
async function probes(program: Program): Promise<{ tcp: number; udp: number }> {
  const { stdout } = await program.command("report", "--json");
  return JSON.parse(stdout).probes;
}

Deno.test("report tells of a real scan, while the program runs and after it", async () => {
  await using network = await Network.create();
  await using program = await Program.start({ config: CONFIG, namespace: network.watched });
  assert.match((await program.command("report")).stdout, /Nobody has scanned this host/);
  await network.nmap(`-sU -p 3,4 ${WATCHED.ipv4}`);
  await network.nmap(`-sS -p 20-29 ${WATCHED.ipv4}`);
  await program.events(12);
  const deadline = performance.now() + 10_000;
  while ((await probes(program)).tcp < 10 && performance.now() < deadline);
  assert.deepEqual(await probes(program), { tcp: 10, udp: 2, icmp: 0 });
  const told = (text: string) => {
    assert.match(text, /12 probes \(10 TCP, 2 UDP\).*1 host blocked, 1 now/);
    assert.match(text, /^tcp\/20 +1 {2}#+$/m);
    assert.match(text, /^TCP SYN\/Normal scan +10 {2}#{40}$/m);
    assert.match(text, /^192\.0\.2\.9 .* in \d+m\d+s +1 {2}TCP port 2\d$/m);
  };
  told((await program.command("report")).stdout);

  const command = [...programCommand(program.folder), "report", "-c"];
  const shown = await onTerminal([...command, `${program.folder}/portsentry.conf`], {
    columns: 60,
  });
  assert.ok(shown.includes("\x1b[36m█") && shown.includes("\x1b[33m█"), shown);
  const lines = stripVTControlCharacters(shown).split("\n");
  assert.ok(lines.every((line) => [...line].length <= 60), shown);
  assert.ok(lines.some((line) => [...line].length === 60), shown);
  for (const env of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) {
    const plain = await onTerminal([...command, `${program.folder}/portsentry.conf`], { env });
    assert.ok(!plain.includes("\x1b"), plain);
    assert.match(plain, /█/);
  }

  const page = `${program.folder}/page.html`;
  const { stdout } = await program.command("report", "--html", page);
  assert.equal(stdout, `The report is in ${page}\n`);
  assert.match(program.file("page.html"), /<th scope="row">tcp\/20<\/th>/);
  assert.match((await program.command("report", "--html", "-")).stdout, /^<!DOCTYPE html>/);
  const { code, stderr } = await program.command("report", "--html", program.folder);
  assert.equal(code, 1);
  assert.match(stderr, /Cannot write the report: it is there already, and is no file/);
  const nowhere = await program.command("report", "--html", `${program.folder}/none/page.html`);
  assert.match(nowhere.stderr, /Cannot write the report: there is no such folder/);

  assert.equal(await program.stop(), 0);
  const { stdout: after } = await program.command("report");
  told(after);
  // Its end has ended the scan.
  assert.match(after, /^192\.0\.2\.9 +vertical +nmap .* 12 +12 +1 +1 +yes +\d+s$/m);
});

Deno.test("report after a crash tells what was written before", async () => {
  await using network = await Network.create();
  await using program = await Program.start({ config: CONFIG, namespace: network.watched });
  await network.nmap(`-sU -p 3 ${WATCHED.ipv4}`);
  await program.events(1);
  const deadline = performance.now() + 10_000;
  while ((await probes(program)).udp < 1 && performance.now() < deadline);
  await program.stop("SIGKILL");
  assert.deepEqual(await probes(program), { tcp: 0, udp: 1, icmp: 0 });
});

Deno.test("report reads with a reader's rights alone, and says who has them", async () => {
  await using network = await Network.create();
  using bundle = await makeBundle();
  const config = CONFIG.replace('BLOCK_TCP="1"\nFIREWALL="nftables"\n', "");
  await using program = await Program.start({ config, namespace: network.watched, bundle });
  const { folder } = program;
  await network.nmap(`-sU -p 3 ${WATCHED.ipv4}`);
  await program.events(1);
  const [command, ...args] = sourceCommand(folder, { bundle });
  // Neither Deno nor the system lets it write.
  const reading = args.filter((argument) => !argument.startsWith("--allow-write"));
  const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "HOME=/"];
  const report = [...nobody, command, ...reading, "report", "-c", `${folder}/portsentry.conf`];
  const { code, stderr } = await run(report, { mayFail: true });
  assert.equal(code, 1);
  assert.match(stderr, /state\.db: Cannot read the state file: .*: run this as root\n$/);
  for (const suffix of ["", "-wal", "-shm"]) Deno.chmodSync(`${folder}/state.db${suffix}`, 0o644);
  const told = async () => (await run(report)).stdout;
  const deadline = performance.now() + 10_000;
  while (!(await told()).includes("1 probe") && performance.now() < deadline);
  assert.match(await told(), /1 probe \(0 TCP, 1 UDP\)/);
  await program.stop();
  assert.match(await told(), /1 probe \(0 TCP, 1 UDP\)/);
});

/** Settings, what the state file holds, and what the report then says. */
const LACKING: [name: string, config: string, file: Uint8Array | undefined, said: RegExp][] = [
  [
    "STATE_FILE",
    "",
    undefined,
    /portsentry\.conf: No STATE_FILE is set, and reports are made of .*: write STATE_FILE=/,
  ],
  ["a state file", 'STATE_FILE="state.db"', undefined, /state\.db: There is no state file yet: /],
  [
    "a state file that is whole",
    'STATE_FILE="state.db"',
    new TextEncoder().encode("SQLite format 3\0".repeat(1000)),
    /state\.db: The state file is damaged \(.*\): portsentry sets it aside/,
  ],
  [
    "anything in the state file",
    'STATE_FILE="state.db"',
    new Uint8Array(),
    /state\.db: There is nothing for reports in the state file yet: /,
  ],
];

for (const [name, config, file, said] of LACKING) {
  Deno.test(`report without ${name} says so`, async () => {
    const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
    try {
      Deno.writeTextFileSync(`${folder}/portsentry.conf`, `TCP_PORTS="1"\n${config}\n`);
      if (file) Deno.writeFileSync(`${folder}/state.db`, file);
      const command = [...programCommand(folder), "report", "-c", `${folder}/portsentry.conf`];
      const { code, stdout, stderr } = await run(command, { mayFail: true });
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, said);
      assert.equal(stderr.split("\n").length, 2, stderr);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });
}
