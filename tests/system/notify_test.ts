import assert from "node:assert/strict";
import { Datagrams } from "../datagrams.ts";
import { Network, WATCHED } from "./network.ts";
import { Program } from "./program.ts";

Deno.test("the program tells systemd when it watches, reloads and ends, and pings its watchdog", async () => {
  await using network = await Network.create();
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  using manager = new Datagrams(`${folder}/notify`);
  await using program = Program.spawn({
    config: 'TCP_PORTS="1-1024"\nUDP_PORTS="7"',
    namespace: network.watched,
    env: { NOTIFY_SOCKET: `${folder}/notify`, WATCHDOG_USEC: "400000" },
  });
  assert.equal(
    await manager.until(/^READY=1\n/),
    "READY=1\nSTATUS=Watching 1024 TCP and 1 UDP ports, 0 events so far\n",
  );
  // The very next packet is seen: capture was up before it was told.
  await network.nmap(`-sS -p 7 ${WATCHED.ipv4}`);
  await program.events(1);
  await manager.until(/^WATCHDOG=1\nSTATUS=Watching .* 1 events so far\n$/);

  program.child.kill("SIGHUP");
  await manager.until(/^RELOADING=1\n$/);
  await manager.until(/^READY=1\n$/);
  Deno.writeTextFileSync(`${program.folder}/portsentry.conf`, 'TCP_PORTS="x"');
  program.child.kill("SIGHUP");
  await program.until(() => /the old one stays in force/.test(program.stderr), "refused");
  const told = manager.take().filter((text) => /^(READY|RELOADING)/.test(text));
  assert.deepEqual(told.slice(1), ["RELOADING=1\n", "READY=1\n", "RELOADING=1\n", "READY=1\n"]);

  assert.equal(await program.stop(), 0);
  assert.equal(manager.take().at(-1), "STOPPING=1\nSTATUS=Shutting down\n");
  Deno.removeSync(folder, { recursive: true });
});
