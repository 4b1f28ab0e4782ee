import assert from "node:assert/strict";
import { Poller } from "../../ffi/epoll.ts";
import { CommandRunner } from "../../src/response/command.ts";

const LIMIT_MS = 300;

/** Processes that are there, of the numbers in a file. */
function alive(file: string): number[] {
  return Deno.readTextFileSync(file).split(/\s+/).filter(Boolean).map(Number).filter((pid) => {
    try {
      return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
    } catch {
      return false;
    }
  });
}

/** Runs something with a runner, and ends that. */
async function withRunner(
  limitMs: number,
  use: (runner: CommandRunner, folder: string) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  const poller = new Poller();
  const polling = poller.run();
  const runner = new CommandRunner(poller, limitMs);
  try {
    await use(runner, folder);
  } finally {
    runner.close();
    poller.stop();
    await polling;
    poller.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

async function untilGone(pids: string): Promise<void> {
  const deadline = performance.now() + 5000;
  while (alive(pids).length > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.deepEqual(alive(pids), []);
}

const neverLate = () => assert.fail("nothing was left for too long");

/** Ends at once, with two processes in the background. */
const LEAVES = "sleep 100 & echo $! >>F; (trap '' TERM HUP; sleep 100) & echo $! >>F; true";

Deno.test("CommandRunner ends what a command has left in the background when its time is over", async () => {
  await withRunner(1000, async (runner, folder) => {
    const pids = `${folder}/pids`;
    const begin = performance.now();
    const told: string[] = [];
    const failure = await runner.run(LEAVES.replaceAll("F", pids), (text) => told.push(text));
    assert.equal(failure, undefined);
    const took = performance.now() - begin;
    if (took < 900) assert.equal(alive(pids).length, 2); // it has the time that it has
    await untilGone(pids);
    assert.ok(performance.now() - begin >= 1000);
    assert.deepEqual(told, [
      "left processes in the background that did not end within 1 s and were killed: setsid(1) " +
      "starts one that may go on",
    ]);
  });
});

Deno.test("CommandRunner.close() ends what commands have left in the background", async () => {
  await withRunner(100_000, async (runner, folder) => {
    const pids = `${folder}/pids`;
    assert.equal(await runner.run(LEAVES.replaceAll("F", pids), neverLate), undefined);
    assert.equal(alive(pids).length, 2);
    runner.close();
    await untilGone(pids);
  });
});

for (const prepared of [false, true]) {
  Deno.test(
    `CommandRunner ends a command that forks and hangs with all of its group${
      prepared ? ", in a shell that waited for it" : ""
    }`,
    async () => {
      const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
      const poller = new Poller();
      const polling = poller.run();
      const runner = new CommandRunner(poller, LIMIT_MS);
      const pids = `${folder}/pids`;
      const hang =
        "trap '' TERM INT HUP; sleep 100 & echo $! >>F; (sleep 100 & echo $! >>F; wait) & " +
        "echo $! $$ >>F; wait";
      const command = hang.replaceAll("F", pids);
      try {
        if (prepared) runner.prepare([command]);
        const begin = performance.now();
        assert.equal(
          await runner.run(command, neverLate),
          "did not end within 0.3 s and was killed",
        );
        const took = performance.now() - begin;
        assert.ok(took >= LIMIT_MS - 5 && took < LIMIT_MS + 1000, `${took} ms`);
        assert.equal(Deno.readTextFileSync(pids).split(/\s+/).filter(Boolean).length, 4);
        const deadline = performance.now() + 2000;
        while (alive(pids).length > 0 && performance.now() < deadline) {
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        assert.deepEqual(alive(pids), []);
        assert.equal(await runner.run("true", neverLate), undefined);
      } finally {
        runner.close();
        // The shell that waited for one more ends by itself.
        await new Promise((resolve) => setTimeout(resolve, 100));
        poller.stop();
        await polling;
        poller.close();
        Deno.removeSync(folder, { recursive: true });
      }
    },
  );
}
