import assert from "node:assert/strict";
import { Verdict } from "../../src/detector/verdict.ts";
import { scanEvent } from "../../src/event/scan_event.ts";
import { formatEvent, writeEvent } from "../../src/log/event_line.ts";
import { formatLocalTime, writeLocalTime } from "../../src/log/local_time.ts";
import { Packet, Protocol } from "../../src/packet/packet.ts";

Deno.test("writeEvent() writes what formatEvent() says, wherever it is told to", () => {
  const into = new Uint8Array(400);
  const packet = new Packet();
  const write = new TextDecoder();
  let shapes = 0;
  for (const version of [4, 6]) {
    for (const protocol of Object.values(Protocol)) {
      for (const verdict of Object.values(Verdict)) {
        for (const tcpFlags of [0, 1, 2, 3, 0x29]) {
          Object.assign(packet, {
            version,
            protocol,
            tcpFlags,
            destinationPort: 7 ** shapes % 65_536,
          });
          packet.source.fill(shapes++);
          const event = scanEvent(packet, verdict, "stealth");
          const start = shapes % 50;
          const end = writeEvent(event, event.flags, into, start);
          assert.equal(
            write.decode(into.subarray(start, end)),
            formatEvent(event, event.source, event.flags),
          );
        }
      }
    }
  }
  assert.ok(shapes >= 100);
});

Deno.test("writeLocalTime() writes what formatLocalTime() says", () => {
  const into = new Uint8Array(50);
  for (const timeMs of [0, 1_795_371_674_160, 1_795_371_674_160, 1_795_371_674_161]) {
    const end = writeLocalTime(timeMs, into, 3);
    assert.equal(new TextDecoder().decode(into.subarray(3, end)), formatLocalTime(timeMs));
  }
});
