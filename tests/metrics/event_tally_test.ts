import assert from "node:assert/strict";
import { tcpScanType } from "../../src/event/scan_event.ts";
import type { ScanEvent } from "../../src/event/scan_event.ts";
import { EventTally, FATES } from "../../src/metrics/event_tally.ts";

function event(changes: Partial<ScanEvent> = {}): ScanEvent {
  return {
    timeMs: 1000,
    mode: "stealth",
    source: "192.0.2.9",
    destination: "192.0.2.1",
    protocol: "TCP",
    sourcePort: 40_000,
    port: 23,
    type: "TCP SYN/Normal scan",
    ipOptions: "not set",
    verdict: 3,
    flags: { ignored: "false", triggered: "true", noblock: "true", blocked: "false" },
    tool: "unknown",
    ...changes,
  };
}

function probes(tally: EventTally): Record<string, number> {
  const counts = [...tally.probes()].filter(([, count]) => count > 0);
  return Object.fromEntries(counts.map(([{ protocol, type }, n]) => [`${protocol} ${type}`, n]));
}

Deno.test("EventTally counts probes by protocol and type, and knows no more types than a few", () => {
  const tally = new EventTally();
  for (let flags = 0; flags < 256; flags++) {
    tally.probe(event({ type: tcpScanType(flags) }), 1000);
  }
  tally.probe(event({ protocol: "UDP", type: "UDP" }), 1000);
  tally.probe(event({ protocol: "UDP", type: "Connect" }), 1000);
  tally.probe(event({ protocol: "ICMP", type: "ICMP address mask request" }), 1000);
  const counted = probes(tally);
  assert.equal(Object.values(counted).reduce((a, b) => a + b), 259);
  assert.deepEqual(Object.keys(counted).sort(), [
    "icmp address_mask",
    "tcp ack",
    "tcp fin",
    "tcp maimon",
    "tcp null",
    "tcp other",
    "tcp syn",
    "tcp xmas",
    "udp connect",
    "udp udp",
  ]);
  assert.ok([...tally.probes()].length <= 16, "and none that cannot be");
});

Deno.test("EventTally counts what has come of events", () => {
  const tally = new EventTally();
  FATES.forEach((fate, i) => {
    for (let n = 0; n <= i; n++) tally.told(fate);
  });
  assert.deepEqual(
    [...tally.events()].map(([{ outcome }, n]) => [outcome, n]),
    FATES.map((fate, i) => [fate.replaceAll(" ", "_"), i + 1]),
  );
});

Deno.test("EventTally takes no negative lag from a clock that was set back", () => {
  const tally = new EventTally();
  tally.probe(event({ timeMs: 5000 }), 1000);
  tally.probe(event({ timeMs: 1000 }), 1250);
  assert.equal(tally.lag.sum, 0.25);
  assert.equal(tally.lag.cumulative.at(-1), 2);
});
