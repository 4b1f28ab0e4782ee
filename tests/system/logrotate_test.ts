import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { run } from "./network.ts";

const SHIPPED = fileURLToPath(new URL("../../packaging/logrotate/portsentry", import.meta.url));

/** Rotates a history once, with a pidfile that names `command`; resolves to how that ended. */
async function rotate(command: string[]): Promise<Deno.CommandStatus> {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-logrotate-" });
  const [program, ...args] = command;
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "null" }).spawn();
  try {
    const history = `${folder}/portsentry.log`;
    Deno.writeTextFileSync(history, "an event\n");
    Deno.chmodSync(history, 0o640);
    Deno.writeTextFileSync(`${folder}/portsentry.pid`, `${child.pid}\n`);
    const config = Deno.readTextFileSync(SHIPPED)
      .replaceAll("/var/log/portsentry.log", history)
      .replaceAll("/run/portsentry.pid", `${folder}/portsentry.pid`);
    Deno.writeTextFileSync(`${folder}/logrotate.conf`, config, { mode: 0o644 });
    await run(["logrotate", "--force", "--state", `${folder}/state`, `${folder}/logrotate.conf`]);
    assert.equal(Deno.readTextFileSync(history), "");
    assert.equal(Deno.statSync(history).mode! & 0o777, 0o640);
    assert.equal(Deno.readTextFileSync(`${history}.1`), "an event\n");
    return await child.status;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("the logrotate rule tells the process in the pidfile to open the new history", async () => {
  assert.equal((await rotate(["sh", "-c", "sleep 20; exit 0", "portsentry"])).signal, "SIGHUP");
});

Deno.test("the logrotate rule spares a process that only has the number of a stale pidfile", async () => {
  assert.equal((await rotate(["sleep", "1"])).code, 0);
});
