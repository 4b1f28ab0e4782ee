import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { Capture } from "../../ffi/pcap.ts";

const PORT = 40_009;

/** Sends datagrams over loopback to a port where nobody is. */
async function send(count: number): Promise<void> {
  const socket = createSocket("udp4");
  for (let i = 0; i < count; i++) {
    // The refusals that come back are told here, too.
    await new Promise((resolve) => socket.send("probe", PORT, "127.0.0.1", resolve));
  }
  await new Promise<void>((resolve) => socket.close(resolve));
}

Deno.test("Capture.dropped() counts what its filter lets through, and nothing from before there was one", async () => {
  // A ring of a few frames.
  const capture = new Capture("lo", { snapshotBytes: 65_535, bufferBytes: 262_144 });
  const frame = new Uint8Array(65_535);
  const drain = () => {
    let count = 0;
    while (capture.next(frame) >= 0) count++;
    return count;
  };
  try {
    await send(500);
    capture.setFilter(`udp dst port ${PORT}`);
    assert.equal(drain(), 0);
    assert.equal(capture.dropped(), 0);
    await send(500);
    const read = drain();
    assert.ok(read > 0);
    assert.equal(capture.dropped(), 500 - read);
    // Another filter starts no other count.
    capture.setFilter("udp dst port 1");
    assert.equal(capture.dropped(), 500 - read);
  } finally {
    capture.close();
  }
});
