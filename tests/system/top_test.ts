/** `portsentry top` on a real terminal, beside a real scan, and in a pipe. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { Network, SCANNER, WATCHED } from "./network.ts";
import { Program, programCommand } from "./program.ts";
import { onTerminal } from "./terminal.ts";
import { Terminal } from "./tmux.ts";

const CONFIG = `TCP_PORTS="1-100"
UDP_PORTS="1-100"
BLOCK_TCP="1"
FIREWALL="nftables"
STATE_FILE="FOLDER/state.db"
CONTROL_SOCKET="FOLDER/control.sock"
`;

async function withProgram(use: (program: Program, network: Network) => Promise<void>) {
  await using network = await Network.create();
  await using program = await Program.start({ config: CONFIG, namespace: network.watched });
  await use(program, network);
}

/** The command line of `top`, which leaves its process number in the program's folder. */
function topLine(program: Program): string {
  const { folder } = program;
  const command = [...programCommand(folder), "top", "-c", `${folder}/portsentry.conf`];
  return `sh -c 'echo $$ >${folder}/pid; exec ${command.join(" ")}'`;
}

/** That the terminal is a shell's again: its text, its cursor, and keys that are shown. */
async function restored(terminal: Terminal): Promise<void> {
  await terminal.until((text) => text.includes("before"), "the screen of before is there");
  assert.equal(await terminal.flag("alternate_on"), "0");
  assert.equal(await terminal.flag("cursor_flag"), "1");
  await terminal.type("stty -a | tr ' ;' '\\n\\n' | grep -cE '^(icanon|echo|isig)$'", "Enter");
  await terminal.until((text) => /^(ready:)?3$/m.test(text), "keys are shown, and lines edited");
}

Deno.test("top shows the sources, ports and blocks of a real scan as it goes", async () => {
  await withProgram(async (program, network) => {
    await using terminal = await Terminal.open(80, 24);
    await terminal.type("echo before", "Enter");
    await terminal.type(topLine(program), "Enter");
    await terminal.until((text) => text.includes("Portsentry top"), "it is there");
    assert.equal(await terminal.flag("alternate_on"), "1");
    assert.equal(await terminal.flag("cursor_flag"), "0");
    assert.ok(!(await terminal.screen()).includes(SCANNER.ipv4));
    await network.nmap(`-sU -p 3,4 ${WATCHED.ipv4}`);
    await network.nmap(`-sS -p 20-29 ${WATCHED.ipv4}`);
    await network.nmap(`-6 -sU -p 5 ${WATCHED.ipv6}`);
    const text = await terminal.until(
      (text) => /192\.0\.2\.9 .* 12 .*yes {6}nmap/.test(text) && text.includes(SCANNER.ipv6),
      "the scan is shown",
    );
    assert.match(text, /^probes 13 {2}to services 0 {2}lost 0 {2}blocked 1$/m);
    assert.match(text, /^rate \d+\.\d\/s {2}[▁▂▃▄▅▆▇█]+$/m);
    assert.match(text, /^udp\/5 +0\.\d +1 +\d+s {2}█+$/m);
    assert.match(text, /^192\.0\.2\.9 +\d+s {2}tcp\/2\d$/m);
    assert.ok((await terminal.colours()).includes("\x1b[36m2001:db8::9"));

    await terminal.resize(40, 10);
    const small = await terminal.until(
      (text) => text.includes("SOURCE") && text.trimEnd().split("\n").length <= 9,
      "it fits the smaller terminal",
    );
    assert.ok(small.split("\n").every((line) => [...line].length <= 40), small);
    await terminal.resize(80, 24);
    await terminal.until((text) => text.includes("BLOCKED    AGO"), "it has room again");
    await terminal.type("q");
    await restored(terminal);
  });
});

for (const [name, end] of [["Ctrl-C", "C-c"], ["SIGTERM", undefined]] as const) {
  Deno.test(`top gives the terminal back upon ${name}`, async () => {
    await withProgram(async (program) => {
      await using terminal = await Terminal.open(80, 24);
      await terminal.type("echo before", "Enter");
      await terminal.type(topLine(program), "Enter");
      await terminal.until((text) => text.includes("Portsentry top"), "it is there");
      if (end === undefined) Deno.kill(Number(program.file("pid")), "SIGTERM");
      else await terminal.type("", end);
      await restored(terminal);
    });
  });
}

Deno.test("top ends with its terminal", async () => {
  await withProgram(async (program) => {
    {
      await using terminal = await Terminal.open(80, 24);
      await terminal.type(topLine(program), "Enter");
      await terminal.until((text) => text.includes("Portsentry top"), "it is there");
    }
    const runs = `/proc/${program.file("pid").trim()}`;
    await program.until(() => !existsSync(runs), "it has ended");
  });
});

Deno.test("top tells that the program is gone, and goes on when it is there again", async () => {
  await withProgram(async (program, network) => {
    await using terminal = await Terminal.open(80, 24);
    await terminal.type("echo before", "Enter");
    await terminal.type(topLine(program), "Enter");
    await terminal.until((text) => text.includes("Portsentry top"), "it is there");
    await program.stop();
    await terminal.until((text) => text.includes("No portsentry is running"), "it says so");
    const [command, ...args] = [
      ...["ip", "netns", "exec", network.watched],
      ...programCommand(program.folder),
      ...["-c", `${program.folder}/portsentry.conf`],
    ];
    const child = new Deno.Command(command, { args, stdin: "null", stdout: "null" }).spawn();
    try {
      await terminal.until((text) => text.includes("Portsentry top"), "it is there again");
    } finally {
      child.kill();
      await child.status;
    }
    await terminal.type("q");
    await restored(terminal);
  });
});

Deno.test("top in a pipe is one look, as text or as JSON", async () => {
  await withProgram(async (program, network) => {
    await network.nmap(`-sU -p 3,4 ${WATCHED.ipv4}`);
    await program.events(2);
    const { code, stdout, stderr } = await program.command("top");
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^192\.0\.2\.9 +0\.\d +2 +\d+s {2}no {7}\w/m);
    assert.ok(!stdout.includes("\x1b"));
    const { stdout: json } = await program.command("top", "--json");
    const { sources, ports, probes, blockedNow } = JSON.parse(json);
    assert.deepEqual([probes, blockedNow], [2, 0]);
    assert.deepEqual(sources.map(({ name }: { name: string }) => name), [SCANNER.ipv4]);
    assert.equal(ports.length, 2);
  });
});

Deno.test("top on a terminal that obeys no sequences is one look, cut to its width", async () => {
  await withProgram(async (program, network) => {
    await network.nmap(`-sU -p 3,4 ${WATCHED.ipv4}`);
    await program.events(2);
    const command = [...programCommand(program.folder), "top", "-c"];
    for (const before of [["env", "TERM=dumb"], ["env", "-u", "TERM"], ["env", "TERM="]]) {
      const all = [...before, ...command, `${program.folder}/portsentry.conf`];
      const shown = await onTerminal(all, { columns: 60 });
      assert.match(shown, /^Portsentry top .*^192\.0\.2\.9 +0\.\d +2 .*^udp\/3 /ms);
      assert.ok(!shown.includes("\x1b"), shown);
      assert.ok(shown.split("\n").every((line) => [...line].length <= 60), shown);
    }
  });
});

Deno.test("top without a running program says so, and touches no terminal", async () => {
  await withProgram(async (program) => {
    await program.stop();
    const { code, stdout, stderr } = await program.command("top");
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /No portsentry is running/);
  });
});
