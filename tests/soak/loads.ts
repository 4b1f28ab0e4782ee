/**
 * What a program is put under, all of it at once and again and again, until it is told to stop.
 *
 * @module
 */
import { type Network, WATCHED } from "../system/network.ts";
import type { Program } from "../system/program.ts";

/** A program under load. */
export interface Subject {
  network: Network;
  program: Program;
  /** Lines of the histories that were rotated away, and counted. */
  rotatedLines: number;
  /** Scrapes of METRICS that were not answered in time. */
  unanswered: number;
}

/** Something that is done every so many milliseconds, in turns. */
interface Load {
  name: string;
  everyMs: number;
  act: (subject: Subject, turn: number) => Promise<unknown> | unknown;
}

const NMAP = [
  `-sS -p 1-200 ${WATCHED.ipv4}`,
  `-sT -p 1-100 ${WATCHED.ipv4}`,
  `-sF -p 1-100 ${WATCHED.ipv4}`,
  `-sX -p 1-100 ${WATCHED.ipv4}`,
  `-sN -p 1-100 ${WATCHED.ipv4}`,
  `-sU -p 1-40 --max-rate 200 ${WATCHED.ipv4}`,
  `-6 -sS -p 1-200 ${WATCHED.ipv6}`,
  `-sS -T4 -p 1-1024 ${WATCHED.ipv4}`,
];

/** Every load. What is sent to the watched ports is counted by the kernel: see soak.ts. */
export const LOADS: Load[] = [
  { name: "scans by nmap", everyMs: 200, act: scan },
  { name: "floods of 2,000 from 20 sources", everyMs: 1000, act: flood },
  { name: "SIGHUP", everyMs: 700, act: ({ program }) => program.child.kill("SIGHUP") },
  { name: "reload, by command", everyMs: 7000, act: ({ program }) => program.command("reload") },
  { name: "addresses that come and go", everyMs: 300, act: changeAddress },
  { name: "interfaces that come, go, and are renamed", everyMs: 500, act: changeInterface },
  { name: "clients of the control socket", everyMs: 50, act: askControl },
  { name: "scrapes of METRICS", everyMs: 500, act: scrape },
  { name: "rotations of the history", everyMs: 15_000, act: rotate },
];

/** Puts a subject under all loads at once. */
export class Loads {
  /** Turns of each load so far. */
  readonly turns = new Map<string, number>();
  /** What one of them has failed with. */
  failure: unknown;
  readonly #running: Promise<void>[];
  #over = false;

  constructor(subject: Subject) {
    this.#running = LOADS.map((load) =>
      this.#run(load, subject).catch((error) => {
        this.failure = error;
      })
    );
  }

  /** Ends all loads. @throws the {@link failure} */
  async end(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#running);
    if (this.failure !== undefined) throw this.failure;
  }

  async #run({ name, everyMs, act }: Load, subject: Subject): Promise<void> {
    for (let turn = 0; !this.#over; turn++) {
      await act(subject, turn);
      this.turns.set(name, turn + 1);
      await pause(everyMs);
    }
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function scan({ network }: Subject, turn: number): Promise<unknown> {
  return network.nmap(NMAP[turn % NMAP.length]);
}

/** Each flood has its sources again after a hundred others, when their blocks have ended. */
function flood({ network }: Subject, turn: number): Promise<unknown> {
  const firstSource = 0x0b00_0000 + turn % 100 * 0x1000;
  return network.flood({ packets: 2000, rate: 5000, sources: 20, firstSource });
}

function changeAddress({ network }: Subject, turn: number): Promise<unknown> {
  return network.onWatched(`ip addr ${["add", "del"][turn % 2]} 192.0.2.77/24 dev eth0`);
}

const INTERFACE_LIFE = [
  "ip link add other0 type veth peer name peer0",
  "ip addr add 198.51.100.1/24 dev other0",
  "ip link set other0 up",
  "ip link set other0 down",
  "ip link set other0 name other1",
  "ip link set other1 up",
  "ip link del other1",
];

function changeInterface({ network }: Subject, turn: number): Promise<unknown> {
  return network.onWatched(INTERFACE_LIFE[turn % INTERFACE_LIFE.length]);
}

/** Good requests and bad ones; some are too long, and some hang up in the middle. */
const REQUESTS = [
  '{"command":"status"}\n',
  '{"command":"blocked"}\n',
  "not json\n",
  "x".repeat(5000),
  '{"command":"sta',
  '{"command":"nothing"}\n',
];

async function askControl({ program }: Subject, turn: number): Promise<void> {
  const text = REQUESTS[turn % REQUESTS.length];
  try {
    using client = await Deno.connect({
      transport: "unix",
      path: `${program.folder}/control.sock`,
    });
    await client.write(new TextEncoder().encode(text));
    if (!text.endsWith("\n")) return;
    const buffer = new Uint8Array(65_536);
    while (await client.read(buffer) !== null);
  } catch (error) {
    // It hangs up on whoever sends too much, or comes on top of others.
    if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe) {
      return;
    }
    throw error;
  }
}

async function scrape(subject: Subject): Promise<void> {
  const request = "printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3";
  const line = `exec 3<>/dev/tcp/127.0.0.1/9464; ${request}`;
  const { stdout } = await subject.network.shellOnWatched(line, { mayFail: true });
  if (!/^portsentry_probes_total\{/m.test(stdout)) subject.unanswered++;
}

/** Renames the history, counts what is in it once the program writes to another, and removes it. */
async function rotate(subject: Subject): Promise<void> {
  const { program } = subject;
  const history = `${program.folder}/history`;
  await pause(1000);
  Deno.renameSync(history, `${history}.1`);
  program.child.kill("SIGHUP");
  await pause(2000);
  subject.rotatedLines += countLines(`${history}.1`);
  Deno.removeSync(`${history}.1`);
}

/** Whole lines of a file, each an event. */
export function countLines(path: string): number {
  let lines = 0;
  for (const line of Deno.readTextFileSync(path).split("\n").slice(0, -1)) {
    if (!/^\d{4}-\S+ Scan from: \[.* blocked: \[\w+\]$/.test(line)) throw new Error(`? ${line}`);
    lines++;
  }
  return lines;
}
