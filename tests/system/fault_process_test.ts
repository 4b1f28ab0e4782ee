/**
 * What is done to the process itself: its streams closed, its clock set, its memory asked for by a
 * million sources, its commands that never end.
 */
import assert from "node:assert/strict";
import { Network, run, WATCHED } from "./network.ts";
import { METHODS, Program, type ProgramOptions } from "./program.ts";
import { clock } from "./shared_state.ts";

const CONFIG = 'TCP_PORTS="1-1024"\nHISTORY_FILE="FOLDER/history"\n';

/** Whether a file is there: without its stdout, that is how a program tells that it watches. */
function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Starts a program whose stdout this test does not get, and waits until it watches. */
async function startQuiet(options: ProgramOptions): Promise<Program> {
  const program = Program.spawn(options);
  try {
    const socket = `${program.folder}/control.sock`;
    await program.until(() => isThere(socket) || program.stderr !== "", "it watches", 20_000);
    while ((await program.command("status")).code !== 0);
    return program;
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
}

function historyLines(program: Program): number {
  return isThere(`${program.folder}/history`) ? program.file("history").split("\n").length - 1 : 0;
}

for (const both of [false, true]) {
  const name = both ? "stdout and stderr" : "stdout";
  Deno.test(`the reader of ${name} goes away (EPIPE): told where that can be, and the history goes on`, async () => {
    await using network = await Network.create();
    const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
    await run(["mkfifo", `${folder}/fifo`]);
    const reader = new Deno.Command("head", {
      args: ["-n", "1", `${folder}/fifo`],
      stdout: "piped",
    }).spawn();
    await using program = await startQuiet({
      config: `${CONFIG}CONTROL_SOCKET="FOLDER/control.sock"`,
      namespace: network.watched,
      wrapper: ["sh", "-c", `exec "$@" >${folder}/fifo ${both ? "2>&1" : ""}`, "sh"],
    });
    const { stdout } = await reader.output(); // one line, and it is gone
    assert.match(new TextDecoder().decode(stdout), /^Portsentry is now active/);
    for (let i = 1; i <= 3; i++) {
      await network.flood({ packets: 10, firstSource: 0x0b00_0000 + 10 * i });
      await program.until(() => historyLines(program) === 10 * i, "they are in the history");
    }
    const told = /^Cannot write to stdout: Broken pipe.*$/mg;
    if (!both) {
      await program.until(() => program.stderr.match(told) !== null, "it is told");
      await program.until(() => /lines for stdout were lost/.test(program.stderr), "losses, too");
    }
    assert.equal(program.stderr.match(told)?.length ?? 0, both ? 0 : 1);
    assert.equal(await program.stop(), 0);
    Deno.removeSync(folder, { recursive: true });
  });
}

for (const args of [["-m", "pcap"], ["-m", "raw"], ["--connect"]]) {
  Deno.test(`${args.join(" ")}: a clock set back by an hour: events, triggers and ends go on as before`, async () => {
    await using network = await Network.create();
    const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
    const { env, set } = clock(folder);
    await using program = await Program.start({
      config: `${CONFIG}SCAN_TRIGGER="3"\nPORT_BANNER="go away"`,
      namespace: network.watched,
      env,
      args,
    });
    const scan = (ports: string) => network.nmap(`-sT -p ${ports} ${WATCHED.ipv4}`);
    await scan("1-2");
    await program.events(2);
    set("-3600");
    await scan("3-4");
    const flags = (await program.events(4)).map((line) => /triggered: \[(\w+)\]/.exec(line)![1]);
    assert.deepEqual(flags, ["false", "false", "true", "true"]);
    assert.equal(historyLines(program), 4);
    const begin = performance.now();
    assert.equal(await program.stop(), 0);
    assert.ok(performance.now() - begin < 1000);
    assert.equal(program.stderr, "");
    Deno.removeSync(folder, { recursive: true });
  });
}

/** Resident memory, and the most there was of it, in MiB: proc(5). */
function memory(program: Program): { now: number; most: number } {
  const status = Deno.readTextFileSync(`/proc/${program.child.pid}/status`);
  const mib = (key: string) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)![1]) / 1024;
  return { now: mib("VmRSS"), most: mib("VmHWM") };
}

const FLOODS: [what: string, packets: number, config: string, mostMiB: number][] = [
  // Tables of a fixed size, and 16 MiB of lines that the disk has not taken yet.
  ["1,000,000 spoofed sources that are counted", 1_000_000, 'SCAN_TRIGGER="2"\n', 128],
  // BLOCK_MAX blocks, with their hosts' records, and events that wait for the kernel.
  [
    "200,000 spoofed sources that are blocked",
    200_000,
    'BLOCK_TCP="1"\nFIREWALL="nftables"\nSTATE_FILE="FOLDER/state.db"\nBLOCK_MAX="10000"\n',
    256,
  ],
];

for (const [what, packets, config, mostMiB] of FLOODS) {
  Deno.test(`${what} take ${mostMiB} MiB at most`, async () => {
    await using network = await Network.create();
    await using program = await startQuiet({
      config: `${CONFIG}${config}CONTROL_SOCKET="FOLDER/control.sock"`,
      namespace: network.watched,
      wrapper: ["sh", "-c", 'exec "$@" >/dev/null', "sh"],
      args: METHODS[1][1].args,
    });
    const before = memory(program).now;
    assert.equal(await network.flood({ packets }), packets);
    const { code, stdout } = await program.command("status", "--json");
    assert.equal(code, 0);
    const { probes, lostBeforeReading } = JSON.parse(stdout).counters;
    assert.ok(probes > 0 && probes + lostBeforeReading <= packets, stdout);
    const { most } = memory(program);
    assert.ok(most - before < mostMiB, `${before} MiB before, ${most} MiB at most`);
    assert.equal(await program.stop(), 0);
  });
}

Deno.test("a response that forks and hangs: its event comes, others do not wait, and the end takes all of it", async () => {
  await using network = await Network.create();
  const command = "(sleep 300 & sleep 300 & echo $$ >FOLDER/group; wait) & wait; # $TARGET$";
  await using program = await Program.start({
    config: `${CONFIG}BLOCK_TCP="1"\nKILL_ROUTE="${command}"`,
    namespace: network.watched,
    permissions: ["--allow-run=/bin/sh"],
  });
  await network.flood({ packets: 80 }); // more than may run at once
  await program.until(() => isThere(`${program.folder}/group`), "they run");
  const namespace = Deno.readLinkSync(`/proc/${program.child.pid}/ns/net`);
  const sleeping = () => sleepersIn(namespace);
  await program.until(() => sleeping().length === 64 * 2, `64 run at once: ${sleeping().length}`);
  const begin = performance.now();
  assert.equal(await program.stop(), 0);
  assert.ok(performance.now() - begin < 1000, `${performance.now() - begin} ms`);
  assert.equal(program.eventLines().length, 80);
  assert.equal(historyLines(program), 80);
  await program.until(() => sleeping().length === 0, `all are gone: ${sleeping()}`);
});

Deno.test("what responses leave in the background ends with the program", async () => {
  await using network = await Network.create();
  await using program = await Program.start({
    config: `${CONFIG}BLOCK_TCP="1"\nKILL_ROUTE="sleep 300 & true # $TARGET$"`,
    namespace: network.watched,
    permissions: ["--allow-run=/bin/sh"],
  });
  await network.flood({ packets: 5 });
  await program.events(5);
  const namespace = Deno.readLinkSync(`/proc/${program.child.pid}/ns/net`);
  await program.until(() => sleepersIn(namespace).length === 5, "they sleep");
  assert.equal(await program.stop(), 0);
  assert.match(program.stdout, /blocked: \[true\]/);
  await program.until(() => sleepersIn(namespace).length === 0, "they are gone");
});

/** The commands that sleep in a network namespace: proc(5). */
function sleepersIn(namespace: string): string[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => name).filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return Deno.readTextFileSync(`/proc/${pid}/cmdline`).startsWith("sleep\0") &&
        Deno.readLinkSync(`/proc/${pid}/ns/net`) === namespace;
    } catch {
      return false; // it has ended
    }
  });
}
