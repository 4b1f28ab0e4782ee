/**
 * The measurements, each on a fresh network and a fresh program.
 *
 * @module
 */
import { Network } from "../tests/system/network.ts";
import type { Contender } from "./contenders.ts";
import { countLines, pause, percentiles, probe, replay, type Subject, writeFlood } from "./rig.ts";

const FLOOD_PACKETS = 200_000;
const LARGE_FLOOD_PACKETS = 1_000_000;
const LONE_PROBES = 80;
const IDLE_MS = 60_000;
const SETTLE_MS = 10_000;

/** A measure's name, and what it finds for a way to capture: one or more figures. */
export type Measure = [names: string[], run: (contender: Contender) => Promise<string[]>];

export const MEASURES: Measure[] = [
  [["exec to active", "RSS idle"], start],
  [["flood of 200,000: in the history", "… told as dropped", "… rate", "… CPU an event"], flood],
  [[
    "flood of 1,000,000: in the history",
    "… of 1,000,000 told as dropped",
    "… of 1,000,000 rate",
    "RSS at most, RSS after",
  ], largeFlood],
  [["flood at a running service: CPU a packet", "… told as dropped"], serviceFlood],
  [["lone SYN to history line, median / p95"], loneHistory],
  [["lone SYN to KILL_ROUTE running, median / p95"], loneCommand],
  [["lone SYN to dropped by FIREWALL, median / p95"], loneDrop],
  [["exec to active with 100,000 blocks to restore"], restore],
  [["lone SYN to event, 10 commands hang, median / p95"], hanging],
  [["idle CPU over a minute"], idle],
];

async function start(contender: Contender): Promise<string[]> {
  await using network = await Network.create();
  const times: number[] = [];
  const rss: number[] = [];
  for (let i = 0; i < 5; i++) {
    await using subject = await contender.start(network);
    times.push(subject.startMs);
    await pause(500);
    rss.push(subject.rssMiB());
  }
  return [`${median(times)} ms`, `${median(rss)} MiB`];
}

async function flood(contender: Contender): Promise<string[]> {
  await using network = await Network.create();
  await using subject = await contender.start(network);
  const file = `${subject.folder}/flood.pcap`;
  writeFlood(file, FLOOD_PACKETS);
  const before = subject.cpuMs();
  const rate = await replay(network, file);
  await settled(subject);
  const cpuMs = subject.cpuMs() - before;
  const { events, figures } = await outcome(subject, FLOOD_PACKETS, rate);
  return [...figures, `${(cpuMs * 1000 / events).toFixed(1)} us`];
}

async function largeFlood(contender: Contender): Promise<string[]> {
  await using network = await Network.create();
  // A trigger, so that every source is counted, too; portsentry 1.2 would log nothing, then.
  const scanTrigger = contender.hasFirewall ? 2 : 0;
  await using subject = await contender.start(network, { scanTrigger });
  const file = `${subject.folder}/flood.pcap`;
  writeFlood(file, LARGE_FLOOD_PACKETS);
  let most = 0;
  const timer = setInterval(() => most = Math.max(most, subject.rssMiB()), 20);
  const rate = await replay(network, file);
  await pause(2000);
  clearInterval(timer);
  const after = subject.rssMiB();
  const { figures } = await outcome(subject, LARGE_FLOOD_PACKETS, rate);
  return [...figures, `${most.toFixed(0)} MiB, ${after.toFixed(0)} MiB`];
}

async function serviceFlood(contender: Contender): Promise<string[]> {
  if (!contender.checksServices) return ["–", "–"];
  await using network = await Network.create();
  await using _service = await network.listen("tcp/0.0.0.0/23");
  await using subject = await contender.start(network);
  const file = `${subject.folder}/flood.pcap`;
  writeFlood(file, FLOOD_PACKETS);
  const before = subject.cpuMs();
  await replay(network, file);
  await pause(500);
  const cpuMs = subject.cpuMs() - before;
  await subject.stop();
  return [`${(cpuMs * 1000 / FLOOD_PACKETS).toFixed(1)} us`, droppedIn(subject)];
}

async function loneHistory(contender: Contender): Promise<string[]> {
  await using network = await Network.create();
  await using subject = await contender.start(network);
  return [
    percentiles(
      await probe(network, "probe.ts", "modify", `${subject.folder}/history`, `${LONE_PROBES}`),
    ),
  ];
}

async function loneCommand(contender: Contender): Promise<string[]> {
  await using network = await Network.create();
  const killRoute = "echo $TARGET$ > FOLDER/fifo";
  await using subject = await contender.start(network, { killRoute });
  const fifo = `${subject.folder}/fifo`;
  await network.onWatched(`mkfifo ${fifo}`);
  return [percentiles(await probe(network, "probe.ts", "read", fifo, `${LONE_PROBES}`))];
}

async function loneDrop(contender: Contender): Promise<string[]> {
  if (!contender.hasFirewall) return ["–"];
  await using network = await Network.create();
  await using _subject = await contender.start(network, { firewall: true });
  return [percentiles(await probe(network, "drop_probe.ts", network.watched, `${LONE_PROBES}`))];
}

/** Ends what a flood was sent to: how much of it is in the history, told as dropped, and its rate. */
async function outcome(subject: Subject, packets: number, rate: number) {
  await subject.stop();
  const events = await countLines(`${subject.folder}/history`);
  const figures = [
    `${(100 * events / packets).toFixed(1)} %`,
    droppedIn(subject),
    `${Math.round(rate / 1000)},000/s`,
  ];
  return { events, figures };
}

/** Waits until all that has been captured is written. */
async function settled(subject: Subject): Promise<void> {
  const written = () => Deno.statSync(`${subject.folder}/history`).size;
  for (let before = -1, now = written(); now !== before; now = written()) {
    before = now;
    await pause(1000);
  }
}

/** The start less "exec to active" is what reading the blocks and putting them back takes. */
async function restore(contender: Contender): Promise<string[]> {
  if (!contender.hasFirewall) return ["–"];
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    await using network = await Network.create();
    await using subject = await contender.start(network, { firewall: true, blocks: 100_000 });
    times.push(subject.startMs);
  }
  return [`${median(times)} ms`];
}

/** The first ten sources' commands hang; then single SYNs of others come, which are only logged. */
async function hanging(contender: Contender): Promise<string[]> {
  await using network = await Network.create();
  const killRoute = "case $TARGET$ in 11.*) sleep 30 ;; esac";
  await using subject = await contender.start(network, { killRoute });
  const flood = `${subject.folder}/flood.pcap`;
  writeFlood(flood, 10);
  await replay(network, flood);
  await pause(500);
  const file = `${subject.folder}/${contender.eventFile}`;
  return [percentiles(await probe(network, "probe.ts", "modify", file, `${LONE_PROBES}`))];
}

async function idle(contender: Contender): Promise<string[]> {
  await using network = await Network.create();
  await using subject = await contender.start(network);
  await pause(SETTLE_MS); // the collector tidies up once after the start
  const before = subject.cpuMs();
  await pause(IDLE_MS);
  return [`${((subject.cpuMs() - before) * 100 / IDLE_MS).toFixed(2)} %`];
}

function median(values: number[]): string {
  return values.sort((a, b) => a - b)[values.length >> 1].toFixed(0);
}

function droppedIn(subject: Subject): string {
  const told = subject.file("stderr").trim();
  return told === "" ? "none" : told.split("\n").join("; ");
}
