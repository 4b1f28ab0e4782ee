/**
 * A program under every load for a while: whether it loses an event, and whether it grows.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { elements } from "../system/firewall_tools.ts";
import { Network, WATCHED } from "../system/network.ts";
import { Program } from "../system/program.ts";
import { countLines, Loads, pause, type Subject } from "./loads.ts";
import { least, most, type Sample, sample } from "./samples.ts";

/** What was found: a name, what it is, what it has to be, and whether it is so. */
export type Finding = [name: string, found: string, bound: string, good: boolean];

const CONFIG = `TCP_PORTS="1-1024"
UDP_PORTS="1-1024"
HISTORY_FILE="FOLDER/history"
BLOCK_TCP="1"
BLOCK_UDP="2"
KILL_RUN_CMD="true $TARGET$ $PORT$"
FIREWALL="nftables"
BLOCK_TIME="3s"
BLOCK_TIME_GROWTH="1"
STATE_FILE="FOLDER/state.db"
CONTROL_SOCKET="FOLDER/control.sock"
METRICS="127.0.0.1:9464"
`;

const COLLECTING = fileURLToPath(new URL("./collecting.ts", import.meta.url));
/** Parts of a run, with a look at the program at rest after each. */
const PARTS = 6;
/** Parts that fill tables and caches, which have a size. */
const FILLING_PARTS = 2;
/**
 * What a run may grow by afterwards, however long it is: so the longer it is, the less it may grow in a
 * minute. The C library takes memory in steps of a MiB or two.
 */
const MOST_GROWTH = { rssKiB: 4096, heapKiB: 1024 } as const;
/** Idle threads end after ten seconds; until then a client repeats SYNs, and blocks end. */
const REST_S = 12;
/** What is collected is given back to the kernel by a thread of V8's, a little later. */
const COLLECT_MS = 1000;
/** Descriptors and threads: a shell that is ready for the next command may be there or not. */
const MOST_MORE = 2;
const WARM_UP_EVENTS = 200_000;

/** The program at rest. */
interface Rest extends Sample {
  heapKiB: number;
}

/** The kernel's own count of what is a probe, at the interface: what capture is given, too. */
const COUNTERS = `
add table netdev soak
add chain netdev soak in { type filter hook ingress device eth0 priority 0; }
add rule netdev soak in ip daddr ${WATCHED.ipv4} tcp dport 1-1024 tcp flags & (ack | rst) == 0 counter
add rule netdev soak in ip daddr ${WATCHED.ipv4} udp dport 1-1024 counter
add rule netdev soak in ip6 daddr ${WATCHED.ipv6} tcp dport 1-1024 tcp flags & (ack | rst) == 0 counter
`;

/** Runs the program for so many seconds under all loads. */
export async function soak(method: string, seconds: number): Promise<Finding[]> {
  await using network = await Network.create();
  await using program = Program.spawn({
    config: CONFIG,
    namespace: network.watched,
    args: ["-m", method],
    permissions: [
      ...["--allow-run=/bin/sh", "--allow-net=127.0.0.1:9464"],
      "--v8-flags=--expose-gc",
    ],
    bundle: { deno: Deno.execPath(), script: COLLECTING },
    wrapper: ["sh", "-c", 'exec "$@" >/dev/null', "sh"],
  });
  while ((await program.command("status")).code !== 0) await pause(100);
  await warmUp(network, program);
  const atRest = await rest(program);
  const before = JSON.parse((await program.command("status", "--json")).stdout).counters;
  Deno.writeTextFileSync(`${program.folder}/counters`, COUNTERS);
  await network.onWatched(`nft -f ${program.folder}/counters`);

  const subject: Subject = { network, program, rotatedLines: 0, unanswered: 0 };
  const turns = new Map<string, number>();
  const samples: Sample[] = [];
  const rests = [atRest];
  for (let part = 0; part < PARTS; part++) {
    samples.push(...await underLoad(subject, seconds / PARTS, turns));
    rests.push(await rest(program));
  }
  const afterwards = rests[PARTS];

  const sent = await counted(network);
  const { counters, firewall } = JSON.parse((await program.command("status", "--json")).stdout);
  const inKernel = await elements(network, "blocked4");
  const inMemory = JSON.parse((await program.command("blocked", "--json")).stdout).blocked
    .filter(({ host }: { host: string }) => !host.includes(":"));
  const stopping = performance.now();
  const code = await program.stop();
  const stopMs = performance.now() - stopping;
  const events = subject.rotatedLines + countLines(`${program.folder}/history`);
  const lost = lostIn(program.stderr);

  const same = (a: number, b: number) => `${a.toLocaleString("en")} and ${b.toLocaleString("en")}`;
  const mebibytes = (kibibytes: number) => (kibibytes / 1024).toFixed(1);
  const memory = (key: keyof typeof MOST_GROWTH, name: string): Finding[] => {
    // One that has just given memory back has not shown what the program takes.
    const filled = Math.max(...rests.slice(1, FILLING_PARTS + 1).map((rest) => rest[key]));
    const grown = afterwards[key] - filled;
    const bound = MOST_GROWTH[key];
    const aMinute = grown / (seconds / 60 * (1 - FILLING_PARTS / PARTS));
    const all = rests.map((rest) => mebibytes(rest[key])).join(", ");
    return [
      [`${name} at rest: before, and after each part`, `${all} MiB`, "", true],
      [
        "… growth behind the first two parts",
        `${mebibytes(grown)} MiB, ${aMinute.toFixed(0)} KiB/min`,
        `< ${mebibytes(bound)} MiB`,
        grown < bound,
      ],
    ];
  };
  const leak = (key: "descriptors" | "threads"): Finding => [
    `${key} before and after, at rest`,
    `${atRest[key]}, ${afterwards[key]}`,
    `${MOST_MORE} more`,
    afterwards[key] <= atRest[key] + MOST_MORE,
  ];
  return [
    [
      "probes at the interface, events in the history",
      same(sent, events),
      "the same",
      sent === events,
    ],
    [
      "told as lost",
      String(lost),
      "0",
      lost === 0 && counters.lostBeforeReading === before.lostBeforeReading,
    ],
    ["memory at most", `${(most(samples, "rssKiB") / 1024).toFixed(0)} MiB`, "", true],
    ...memory("rssKiB", "memory"),
    ...memory("heapKiB", "heap in use"),
    [
      "scrapes not answered within 2 s",
      String(subject.unanswered),
      "< 2 %",
      subject.unanswered < 0.02 * (turns.get("scrapes of METRICS") ?? 0),
    ],
    leak("descriptors"),
    leak("threads"),
    [
      "blocks in memory, in the kernel",
      same(inMemory.length, inKernel.length),
      "the same",
      inMemory.length === inKernel.length && firewall.blockedNow >= 0,
    ],
    ["end", `status ${code} in ${stopMs.toFixed(0)} ms`, "0, 1000 ms", code === 0 && stopMs < 1000],
    ...[...turns].map(([name, turns]): Finding => [name, String(turns), "> 0", turns > 0]),
    [
      "other errors told",
      errorsIn(program.stderr) || "none",
      "none",
      errorsIn(program.stderr) === "",
    ],
  ];
}

/** Puts a subject under all loads, and looks at its process once a second. Turns add up in `turns`. */
async function underLoad(
  subject: Subject,
  seconds: number,
  turns: Map<string, number>,
): Promise<Sample[]> {
  const { network, program } = subject;
  const loads = new Loads(subject);
  const samples: Sample[] = [];
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end && !loads.failure) {
    samples.push(sample(program.child.pid));
    await pause(1000);
  }
  await loads.end();
  for (const what of ["link del other0", "link del other1", "addr del 192.0.2.77/24 dev eth0"]) {
    await network.onWatched(`ip ${what}`, { mayFail: true });
  }
  for (const [name, count] of loads.turns) turns.set(name, (turns.get(name) ?? 0) + count);
  return samples;
}

/**
 * V8's heap grows with the first events, and has its size after some hundred thousand of them. What is
 * told and written until then does not count.
 */
async function warmUp(network: Network, program: Program): Promise<void> {
  await network.flood({ packets: WARM_UP_EVENTS, rate: 5000, sources: 20 });
  const history = `${program.folder}/history`;
  for (let size = -1; size !== Deno.statSync(history).size;) {
    size = Deno.statSync(history).size;
    await pause(2000);
  }
  Deno.removeSync(history);
  program.child.kill("SIGHUP");
  await pause(1000);
  program.stderr = "";
}

/** What the program holds when nothing is done to it, and all that it does not need is collected. */
async function rest(program: Program): Promise<Rest> {
  await pause(REST_S * 1000);
  const samples: Sample[] = [];
  for (let i = 0; i < 3; i++) {
    program.child.kill("SIGUSR2");
    await pause(COLLECT_MS);
    samples.push(sample(program.child.pid));
  }
  const heaps = [...program.stderr.matchAll(/^heap in use: (\d+) bytes$/gm)].slice(-samples.length);
  return {
    rssKiB: least(samples, "rssKiB"),
    descriptors: least(samples, "descriptors"),
    threads: least(samples, "threads"),
    heapKiB: Math.min(...heaps.map(([, bytes]) => Number(bytes))) / 1024,
  };
}

/** Probes that have come in at the interface. */
async function counted(network: Network): Promise<number> {
  const { stdout } = await network.onWatched("nft list table netdev soak");
  return [...stdout.matchAll(/counter packets (\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0);
}

function lostIn(stderr: string): number {
  const told =
    /^(\d+) (?:packets were dropped|packets still waited|lines for|events were not|scans were not)/mg;
  return [...stderr.matchAll(told)].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** What stderr has besides losses and what the loads bring about. */
function errorsIn(stderr: string): string {
  const expected = /^\d+ |^heap in use: |^other\d (?:is not watched any more|cannot be watched)|^$/;
  return [...new Set(stderr.split("\n").filter((line) => !expected.test(line)))].join("; ");
}
