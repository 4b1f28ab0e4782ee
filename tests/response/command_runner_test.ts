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
        assert.equal(await runner.run(command), "did not end within 0.3 s and was killed");
        const took = performance.now() - begin;
        assert.ok(took >= LIMIT_MS - 5 && took < LIMIT_MS + 1000, `${took} ms`);
        assert.equal(Deno.readTextFileSync(pids).split(/\s+/).filter(Boolean).length, 4);
        const deadline = performance.now() + 2000;
        while (alive(pids).length > 0 && performance.now() < deadline) {
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        assert.deepEqual(alive(pids), []);
        assert.equal(await runner.run("true"), undefined);
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
