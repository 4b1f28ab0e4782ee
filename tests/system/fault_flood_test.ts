/**
 * What is done to the program in the middle of a flood: each probe becomes one whole line all the same,
 * or is told as lost.
 */
import assert from "node:assert/strict";
import { Network } from "./network.ts";
import { METHODS, Program, type ProgramOptions } from "./program.ts";

const CONFIG = 'TCP_PORTS="1-1024"\nHISTORY_FILE="FOLDER/history"';
const LINE = /^\d{4}-\S+ Scan from: \[([\d.]+)\] .* blocked: \[false\]$/;

/** Lines of all histories that a program has written. */
function historyLines(program: Program): string[] {
  return [...Deno.readDirSync(program.folder)].filter(({ name }) => name.startsWith("history"))
    .flatMap(({ name }) => program.file(name).split("\n").slice(0, -1));
}

/** Waits until what was sent is in the histories, but for what was told as lost. */
async function untilAccounted(program: Program, sent: number): Promise<void> {
  const accounted = () => historyLines(program).length + lost(program) >= sent;
  await program.until(accounted, `${sent} probes are events or losses`, 30_000);
  const lines = historyLines(program);
  const sources = lines.map((line) => LINE.exec(line)?.[1] ?? assert.fail(line));
  assert.equal(new Set(sources).size, lines.length, "an event is there twice");
  assert.equal(lines.length + lost(program), sent, `${lines.length} lines; ${program.stderr}`);
}

/** All events that stderr has told as lost, but for their lines on stdout: this process reads it slowly. */
function lost(program: Program): number {
  const told =
    /^(\d+) (?:packets were dropped|packets still waited|lines for \S+history were lost)/mg;
  return [...program.stderr.matchAll(told)].reduce((sum, [, count]) => sum + Number(count), 0);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function watching({ watched: namespace }: Network, method: ProgramOptions): Promise<Program> {
  return Program.start({ ...method, config: CONFIG, namespace });
}

const WAYS: typeof METHODS = [...METHODS.slice(0, 2), ["-i any", { args: ["-i", "any"] }]];

for (const [name, method] of WAYS) {
  Deno.test(`${name}: hundreds of SIGHUP, rotations and changes of addresses in a flood lose nothing`, async () => {
    await using network = await Network.create();
    await using program = await watching(network, method);
    let flooding = true;
    let changes = 0;
    const disturb = async (everyMs: number, act: (turn: number) => Promise<unknown> | unknown) => {
      for (let turn = 0; flooding; turn++, changes++) {
        await act(turn);
        await pause(everyMs);
      }
    };
    const disturbances = [
      disturb(5, () => program.child.kill("SIGHUP")),
      disturb(
        40,
        (turn) => network.onWatched(`ip addr ${["add", "del"][turn % 2]} 192.0.2.77/24 dev eth0`),
      ),
      disturb(100, (turn) => {
        // Until the program has opened a new one there is none to rename.
        if (!Deno.readDirSync(program.folder).some(({ name }) => name === "history")) return;
        Deno.renameSync(`${program.folder}/history`, `${program.folder}/history.${turn}`);
        program.child.kill("SIGHUP");
      }),
    ];
    const sent = await network.flood({ packets: 30_000, rate: 15_000 });
    flooding = false;
    await Promise.all(disturbances);
    assert.ok(changes > 100, `${changes} changes`);
    await untilAccounted(program, sent);
    assert.equal(lost(program), 0);
    assert.equal(program.stderr, "");
    assert.equal(await program.stop(), 0);
  });
}

Deno.test("SIGSTOP for 5 s in a flood: what the ring holds is seen, and the rest is told", async () => {
  await Promise.all(
    METHODS.slice(0, 2).map(async ([name, method]) => {
      await using network = await Network.create();
      await using program = await watching(network, method);
      program.child.kill("SIGSTOP");
      const stopped = pause(5000);
      const few = await network.flood({ packets: 20_000 });
      const many = await network.flood({ packets: 150_000, firstSource: 0x0c00_0000 });
      await stopped;
      program.child.kill("SIGCONT");
      await untilAccounted(program, few + many);
      const first = historyLines(program).filter((line) => line.includes("[11.")).length;
      assert.equal(first, few, `${name}: the first of them fit into the ring`);
      assert.ok(lost(program) > 0, `${name}: the ring is not that large`);
      assert.equal(await network.flood({ packets: 10, firstSource: 0x0d00_0000 }), 10);
      await untilAccounted(program, few + many + 10);
      assert.equal(await program.stop(), 0);
    }),
  );
});

Deno.test("SIGTERM when packets wait in the ring: what is not looked at any more is told", async () => {
  for (const [name, method] of METHODS.slice(0, 2)) {
    await using network = await Network.create();
    await using program = await watching(network, method);
    program.child.kill("SIGSTOP");
    const sent = await network.flood({ packets: 90_000 });
    program.child.kill("SIGTERM");
    program.child.kill("SIGCONT");
    assert.equal((await program.child.status).code, 0);
    const told = () => historyLines(program).length + lost(program) === sent;
    await program.until(told, `${name}: ${sent} probes are events or losses`);
  }
});
