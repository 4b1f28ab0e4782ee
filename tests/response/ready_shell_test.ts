import assert from "node:assert/strict";
import { Poller } from "../../ffi/epoll.ts";
import type { ChildProcess, ExitStatus } from "../../ffi/spawn.ts";
import { ReadyShell } from "../../src/response/ready_shell.ts";

const ENVIRONMENT = ["PATH=/usr/bin:/bin"];

/** Runs `use` with a shell that waits, and a folder for what commands write. */
async function withShell(
  use: (shell: ReadyShell, folder: string) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  const poller = new Poller();
  const polling = poller.run();
  const shell = new ReadyShell("/bin/sh", ENVIRONMENT, poller);
  try {
    shell.wanted = true;
    await use(shell, folder);
  } finally {
    shell.wanted = false;
    await until(() => waitingShells().length === 0);
    poller.stop();
    await polling;
    poller.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Process ids of this process's shells that wait for a command. */
function waitingShells(): number[] {
  const tasks = `/proc/${Deno.pid}/task`;
  const children = [...Deno.readDirSync(tasks)].flatMap(({ name }) =>
    Deno.readTextFileSync(`${tasks}/${name}/children`).split(" ")
  );
  return children.filter((pid) => {
    try {
      return pid !== "" &&
        Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes("read -r command");
    } catch {
      return false; // it has ended
    }
  }).map(Number);
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, "waited for 5 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Runs a command in the shell that waits, as soon as one does. */
async function run(shell: ReadyShell, command: string): Promise<ExitStatus> {
  let child: ChildProcess | undefined;
  await until(() => (child = shell.run(command)) !== undefined);
  return await child!.ended;
}

Deno.test("ReadyShell.run() gives the command's exit status, signal, and quoting", async () => {
  await withShell(async (shell, folder) => {
    assert.deepEqual(await run(shell, "exit 7"), { status: 7 });
    assert.deepEqual(await run(shell, "kill -9 $$"), { signal: 9 });
    assert.deepEqual(await run(shell, "true"), { status: 0 });
    assert.deepEqual(await run(shell, `echo '  a\\tb '"$PATH" "$0" $# > ${folder}/out`), {
      status: 0,
    });
    const { stdout } = await new Deno.Command("/bin/sh", {
      args: ["-c", `echo '  a\\tb '"$PATH" "$0" $#`],
      env: { PATH: "/usr/bin:/bin" },
      clearEnv: true,
    }).output();
    assert.equal(Deno.readTextFileSync(`${folder}/out`), new TextDecoder().decode(stdout));
  });
});

Deno.test("ReadyShell.run() leaves the command no descriptor and no variable of its own", async () => {
  await withShell(async (shell, folder) => {
    await run(shell, `ls /proc/self/fd > ${folder}/descriptors; env > ${folder}/environment`);
    // The listing's own descriptor is 3.
    assert.equal(Deno.readTextFileSync(`${folder}/descriptors`), "0\n1\n2\n3\n");
    assert.doesNotMatch(Deno.readTextFileSync(`${folder}/environment`), /read|command/i);
  });
});

Deno.test("ReadyShell.run() gives undefined while no shell waits, and starts another", async () => {
  await withShell(async (shell) => {
    await until(() => waitingShells().length === 1);
    assert.ok(shell.run("true"));
    assert.equal(shell.run("true"), undefined);
    assert.deepEqual(await run(shell, "exit 3"), { status: 3 });
  });
});

Deno.test("ReadyShell.run() goes without a shell that somebody has ended", async () => {
  await withShell(async (shell) => {
    await until(() => waitingShells().length === 1);
    Deno.kill(waitingShells()[0], "SIGKILL");
    await until(() => waitingShells().length === 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(shell.run("true"), undefined);
    assert.deepEqual(await run(shell, "exit 3"), { status: 3 });
  });
});

Deno.test("ReadyShell.run() takes no command that a pipe would split", async () => {
  await withShell(async (shell) => {
    await until(() => waitingShells().length === 1);
    assert.equal(shell.run(`: ${"x".repeat(4096)}`), undefined);
    await until(() => waitingShells().length === 1);
    assert.equal(shell.run("true\nfalse"), undefined);
  });
});
