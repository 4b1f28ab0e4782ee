import assert from "node:assert/strict";
import { Poller } from "../../ffi/epoll.ts";
import { UnixDatagram } from "../../ffi/unix_datagram.ts";
import { ServiceManager } from "../../src/daemon/notify.ts";
import { Datagrams } from "../datagrams.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function withFolder(use: (folder: string) => unknown): () => Promise<void> {
  return async () => {
    const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
    try {
      await use(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

for (const name of ["a path", "a name in no file system"]) {
  Deno.test(
    `ServiceManager tells each state once, to ${name}`,
    withFolder((folder) => {
      const socket = name === "a path" ? `${folder}/notify` : `@portsentry-test-${Deno.pid}`;
      using manager = new Datagrams(socket);
      const poller = new Poller();
      const service = new ServiceManager(["A=1", `NOTIFY_SOCKET=${socket}`]);
      service.ready(poller, () => "Watching");
      service.reloading();
      service.reloaded("Watching");
      service.reloading();
      service.reloaded("Watching more");
      service.stopping();
      service.close();
      poller.close();
      assert.deepEqual(manager.take(), [
        "READY=1\nSTATUS=Watching\n",
        "RELOADING=1\n",
        "READY=1\n",
        "RELOADING=1\n",
        "READY=1\nSTATUS=Watching more\n",
        "STOPPING=1\nSTATUS=Shutting down\n",
      ]);
    }),
  );
}

Deno.test(
  "ServiceManager pings twice in the watchdog's time, and not while a handler hangs",
  withFolder(async (folder) => {
    using manager = new Datagrams(`${folder}/notify`);
    const poller = new Poller();
    const service = new ServiceManager([
      ...[`NOTIFY_SOCKET=${folder}/notify`, "WATCHDOG_USEC=200000"],
      `WATCHDOG_PID=${Deno.pid}`,
    ]);
    let events = 0;
    service.ready(poller, () => `${events} events`);
    const running = poller.run();
    await pause(1050);
    events = 1;
    const pings = manager.take().filter((text) => text === "WATCHDOG=1\n").length;
    assert.ok(pings >= 8 && pings <= 11, `${pings} pings in a second`);
    await manager.until(/^WATCHDOG=1\nSTATUS=1 events\n$/);
    poller.onRound = () => {
      poller.onRound = () => {};
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    };
    const before = manager.take().length;
    await pause(150); // in the middle of it the loop hangs for half a second
    const during = manager.take().length - before;
    assert.ok(during <= 2, `${during} pings`);
    poller.stop();
    await running;
    service.close();
    await pause(150);
    const after = manager.take().length;
    await pause(250);
    assert.equal(manager.take().length, after);
    poller.close();
  }),
);

Deno.test("ServiceManager pings no watchdog that waits for another process, or for none", async () => {
  for (const terms of [["WATCHDOG_USEC=20000", "WATCHDOG_PID=1"], ["WATCHDOG_USEC=0"], []]) {
    await withFolder(async (folder) => {
      using manager = new Datagrams(`${folder}/notify`);
      const poller = new Poller();
      const service = new ServiceManager([`NOTIFY_SOCKET=${folder}/notify`, ...terms]);
      service.ready(poller, () => "");
      const running = poller.run();
      await pause(100);
      poller.stop();
      await running;
      service.close();
      poller.close();
      assert.deepEqual(manager.take(), ["READY=1\n"]);
    })();
  }
});

Deno.test("ServiceManager does nothing without a manager, and waits for none that is gone or busy", () => {
  for (const socket of ["", "NOTIFY_SOCKET=", "NOTIFY_SOCKET=vsock:2:1", "NOTIFY_SOCKET=/none"]) {
    const poller = new Poller();
    const service = new ServiceManager([socket]);
    service.ready(poller, () => "status");
    service.stopping();
    service.close();
    poller.close();
  }
});

Deno.test(
  "ServiceManager finds a manager that was started anew",
  withFolder((folder) => {
    const path = `${folder}/notify`;
    const service = new ServiceManager([`NOTIFY_SOCKET=${path}`]);
    {
      using _first = new Datagrams(path);
      service.reloading();
    }
    Deno.removeSync(path);
    service.reloading();
    using second = new Datagrams(path);
    service.stopping();
    service.close();
    assert.equal(second.take().length, 1);
  }),
);

Deno.test(
  "ServiceManager tells a busy manager everything later, in order",
  withFolder(async (folder) => {
    using manager = new Datagrams(`${folder}/notify`);
    // As many as fit: net.unix.max_dgram_qlen.
    const crowd = new UnixDatagram(`${folder}/notify`);
    let count = 0;
    while (crowd.send(new Uint8Array([46]))) count++;
    crowd.close();
    const poller = new Poller();
    const service = new ServiceManager([`NOTIFY_SOCKET=${folder}/notify`]);
    service.ready(poller, () => "Watching");
    service.reloading();
    assert.equal(manager.take().length, count);
    await manager.until(/^RELOADING=1\n$/);
    assert.deepEqual(manager.all.slice(count), ["READY=1\nSTATUS=Watching\n", "RELOADING=1\n"]);
    service.close();
    poller.close();
  }),
);
