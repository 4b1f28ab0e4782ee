/**
 * kill -9 before each single system call that changes a file: what is found afterwards is what was
 * there before a change or after it, and nothing in between.
 */
import assert from "node:assert/strict";
import { parseBlockedFile } from "../../src/response/blocked_set.ts";
import { HostsDeny } from "../../src/response/hosts_deny.ts";
import { StateFile } from "../../src/state/state_file.ts";
import { CHANGES } from "./kill_host.ts";
import { elements } from "./firewall_tools.ts";
import { Network, run } from "./network.ts";
import { blocked, Shared } from "./shared_state.ts";

const SCRIPT = new URL("./kill_host.ts", import.meta.url).pathname;
const CALLS = ["write", "pwrite64", "fsync", "fdatasync", "ftruncate", "unlink", "rename"]
  .concat("chmod", "chown", "fchmod");
const AT_ONCE = 4;

/** Runs the host under strace(1), killed before the n-th call of a kind or not at all. */
async function runHost([what, ...rest]: string[], path: string, kill?: [string, number]) {
  const trace = `${path}.trace`;
  const paths = ["", "-wal", "-shm", "-journal", ".new"].flatMap((end) => ["-P", path + end]);
  const inject = kill ? [`--inject=${kill[0]}:signal=KILL:when=${kill[1]}`] : [];
  const { stdout } = await run([
    ...["strace", "-f", "-o", trace, `--trace=${CALLS.join()}`, ...paths, ...inject],
    ...[Deno.execPath(), "run", "-A", "--no-prompt", "--cached-only", SCRIPT, what, path, ...rest],
  ], { mayFail: true });
  return { lines: stdout.split("\n").length - 1, trace: Deno.readTextFileSync(trace) };
}

/**
 * Kills the host before each of its calls, several of them at once. strace counts the calls of each
 * thread: a host that makes asynchronous ones, of any thread, must make each of them once.
 *
 * @param what the host's arguments, but for the path
 * @param check is given how many changes had ended, or -1 when none had begun
 */
async function killEverywhere(
  what: string[],
  prepare: (path: string) => void,
  check: (path: string, changes: number) => Promise<unknown> | unknown,
): Promise<number> {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  const fresh = (name: string) => {
    Deno.mkdirSync(`${folder}/${name}`);
    const path = `${folder}/${name}/file`;
    prepare(path);
    return path;
  };
  try {
    const whole = await runHost(what, fresh("whole"));
    const stages: [string, number][] = CALLS.flatMap((call) => {
      const turns = [...whole.trace.matchAll(new RegExp(`^\\d+ +${call}\\(`, "mg"))].length;
      return Array.from({ length: turns }, (_, i): [string, number] => [call, i + 1]);
    });
    let killed = 0;
    const waiting = [...stages];
    const work = async () => {
      for (let stage = waiting.pop(); stage; stage = waiting.pop()) {
        const path = fresh(stage.join("-"));
        const { lines, trace } = await runHost(what, path, stage);
        assert.match(trace, /\+\+\+ killed by SIGKILL/, `${what.join(" ")}: ${stage.join(" ")}`);
        await check(path, lines - 1);
        killed++;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    assert.ok(killed > 0);
    return killed;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** What a state holds, as text. */
function contentOf(state: StateFile): string {
  const blocks = state.blocks().map(({ host, count }) => [host, count]);
  const counts = ["192.0.2.1", "192.0.2.2", "2001:db8::/64", "192.0.2.3", "192.0.2.4"]
    .map((host) => state.blockCount(host, 2000));
  return JSON.stringify([blocks.toSorted(), counts]);
}

Deno.test("kill -9 before any write of the state file: all of a change is there, or nothing", async () => {
  const memory = StateFile.inMemory();
  const after = [contentOf(memory)];
  for (const change of CHANGES.state) {
    change(memory);
    after.push(contentOf(memory));
  }
  const killed = await killEverywhere(["state"], () => {}, (path, changes) => {
    const state = StateFile.open(path); // looks through all pages, and throws when one is torn
    const allowed = [after[Math.max(changes, 0)], after[changes + 1] ?? after.at(-1)];
    assert.ok(allowed.includes(contentOf(state)), `${contentOf(state)} after ${changes} changes`);
    state.add([{ host: "192.0.2.9", startMs: 1, endMs: undefined, reason: "", count: 1 }]);
    state.close();
  });
  assert.ok(killed > 30, `${killed} stages`);
});

Deno.test("kill -9 before any write of BLOCKED_FILE: its records are whole", async () => {
  await killEverywhere(["blocked"], () => {}, (path, changes) => {
    const bytes = changes > 0 ? Deno.readFileSync(path) : new Uint8Array(0);
    const { hosts, wholeBytes } = parseBlockedFile(bytes);
    assert.equal(wholeBytes, bytes.length);
    assert.equal(hosts.length, changes);
  });
});

Deno.test("kill -9 at any step of hosts.deny: a reader sees the old file or the new one", async () => {
  let before = "# mine\nsshd: ALL"; // without its last end of line
  for (const host of CHANGES.hosts) {
    const after = `${before.replace(/\n?$/, "\n")}ALL: ${host}\n`;
    const prepare = (path: string) => Deno.writeTextFileSync(path, before);
    await killEverywhere(["hosts.deny", host], prepare, async (path, changes) => {
      const text = Deno.readTextFileSync(path);
      assert.ok(text === after || (text === before && changes < 1), `${changes}: ${text}`);
      // What was left behind is in nobody's way.
      const deny = new HostsDeny(path, `${path}.new`);
      assert.equal(await deny.add("ALL: 192.0.2.9"), undefined);
      assert.equal(Deno.readTextFileSync(path), `${text.replace(/\n?$/, "\n")}ALL: 192.0.2.9\n`);
    });
    before = after;
  }
});

Deno.test("kill -9 before any write of a block: started anew, memory, state file and kernel agree", async () => {
  const turns = [1, 2, 3, 5, 7, 8];
  const work = async () => {
    for (let turn = turns.pop(); turn; turn = turns.pop()) await killInBlock(turn);
  };
  await Promise.all([work(), work()]);
});

/** Has a host blocked, by a program that is killed before its n-th write to the state file. */
async function killInBlock(turn: number): Promise<void> {
  await using network = await Network.create();
  using shared = new Shared(network);
  {
    await using program = await shared.start();
    assert.equal((await program.command("block", "203.0.113.1")).code, 0);
    const paths = ["-P", shared.state, "-P", `${shared.state}-wal`];
    await using _tracer = await trace(program.child.pid, [
      ...paths,
      "--trace=pwrite64",
      `--inject=pwrite64:signal=KILL:when=${turn}`,
    ]);
    await network.flood({ packets: 1 });
    assert.equal(await program.ended(), 128 + 9);
  }
  await using program = await shared.start();
  assert.equal(program.stderr, "");
  const inMemory = (await blocked(program)).map(({ host }) => host).toSorted();
  assert.ok(inMemory.includes("203.0.113.1"), `${turn}: ${inMemory}`);
  assert.deepEqual((await elements(network, "blocked4")).toSorted(), inMemory);
  const again = await network.flood({ packets: 1 });
  assert.equal(again, 1);
  await program.until(() => program.eventLines().length === 1, "it is an event");
  assert.equal(await program.stop(), 0);
  const state = StateFile.open(shared.state);
  const hosts = ["11.0.0.0", "203.0.113.1"];
  assert.deepEqual(state.blocks().map(({ host }) => host).toSorted(), hosts);
  assert.deepEqual((await elements(network, "blocked4")).toSorted(), hosts);
  state.close();
}

/** Traces a process until `await using` ends that, or the process. */
async function trace(pid: number, options: string[]): Promise<AsyncDisposable> {
  const child = new Deno.Command("strace", {
    args: ["-f", "-p", `${pid}`, ...options],
    stdin: "null",
    stderr: "piped",
  }).spawn();
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; !/attached/.test(text);) {
    const { value, done } = await reader.read();
    assert.ok(!done, text);
    text += value;
  }
  const rest = (async () => {
    while (!(await reader.read()).done);
  })();
  return {
    [Symbol.asyncDispose]: async () => {
      try {
        child.kill("SIGTERM");
      } catch {
        // It has ended with the process.
      }
      await rest;
      await child.status;
    },
  };
}
