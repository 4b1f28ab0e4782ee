import assert from "node:assert/strict";
import { Poller } from "../../ffi/epoll.ts";
import { libc } from "../../ffi/libc.ts";

const EFD_NONBLOCK = 0o4000; // <sys/eventfd.h>

Deno.test("Poller.afterRound() does things once all that is ready is handled, before the next wait", async () => {
  const poller = new Poller();
  const [one, other] = [libc().eventfd(1, EFD_NONBLOCK), libc().eventfd(1, EFD_NONBLOCK)];
  const order: string[] = [];
  try {
    for (const fd of [one, other]) {
      poller.add(fd, () => {
        libc().read(fd, new Uint8Array(8), 8n);
        order.push("handled");
        poller.afterRound(() => order.push("after"));
        queueMicrotask(() => order.push("microtask"));
      });
    }
    poller.onRound = () => {
      order.push("round");
      poller.stop();
    };
    await poller.run();
  } finally {
    poller.close();
    libc().close(one);
    libc().close(other);
  }
  assert.deepEqual(order.slice(0, 5), ["handled", "handled", "after", "after", "round"]);
});

Deno.test("Poller.afterRound() outside of a round waits for nothing but the code that runs", async () => {
  const poller = new Poller();
  const order: string[] = [];
  poller.afterRound(() => order.push("after"));
  order.push("now");
  await Promise.resolve();
  poller.close();
  assert.deepEqual(order, ["now", "after"]);
});

Deno.test("Poller asks whether it must pause only after a round that has left something to be read", async () => {
  const poller = new Poller();
  const fd = libc().eventfd(1, EFD_NONBLOCK);
  const order: string[] = [];
  try {
    poller.add(fd, () => {
      order.push("handled");
      return order.length < 4;
    });
    poller.mustPause = () => {
      order.push("asked");
      return true;
    };
    poller.onRound = () => {
      if (order.length >= 6) poller.stop();
    };
    await poller.run();
  } finally {
    poller.close();
    libc().close(fd);
  }
  assert.deepEqual(order, ["handled", "asked", "handled", "asked", "handled", "handled"]);
});
