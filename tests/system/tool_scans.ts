/**
 * Scans with the tools themselves, and what the fingerprints call them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Network, run, SCANNER, WATCHED, words } from "./network.ts";
import type { Tools } from "./tool_watcher.ts";

/** A way to scan. */
export interface ToolScan {
  /** What the fingerprint shall say. */
  tool: string;
  /** A command on the scanning host; SOURCE is an address of its own, and EMPTY an empty file. */
  command: string;
  /** It has probes with ACK set, which only `DETECT="extended"` sees. */
  extended?: boolean;
}

const TARGET = WATCHED.ipv4;
const NMAP = "nmap -n -Pn --max-retries 0 --host-timeout 20s -S SOURCE -e eth0";
const NMAP6 = "nmap -6 -n -Pn --max-retries 0 --host-timeout 20s -S SOURCE -e eth0";
const MASSCAN = `masscan ${TARGET} --source-ip SOURCE --router-mac ${WATCHED.mac} -e eth0 --wait 0`;
const MASSCAN6 =
  `masscan ${WATCHED.ipv6} --source-ip SOURCE --router-mac ${WATCHED.mac} -e eth0 --wait 0`;
const ZMAP = `zmap -S SOURCE -G ${WATCHED.mac} -i eth0 -b EMPTY -o /dev/null -c 0 -q -v 0`;
const HPING = `hping3 -a SOURCE -q`;

/** The tools of Debian, and what people vary of them. */
export const TOOL_SCANS: readonly ToolScan[] = [
  { tool: "nmap SYN", command: `${NMAP} -sS -p 1-40 ${TARGET}` },
  { tool: "nmap SYN", command: `${NMAP} -sS -T3 -p 22 ${TARGET}` },
  { tool: "nmap SYN", command: `${NMAP} -sS -T4 -p 20,21,22 --data-length 30 ${TARGET}` },
  { tool: "nmap SYN", command: `${NMAP} -sS -T4 -g 53 --ttl 64 -p 1-20 ${TARGET}` },
  { tool: "nmap SYN", command: `${NMAP} -sS --mtu 24 -p 1-20 ${TARGET}` },
  { tool: "nmap SYN", command: `${NMAP6} -sS -p 1-20 ${WATCHED.ipv6}` },
  {
    tool: "nmap SYN",
    command: "nmap -n --send-ip -PE -PS443 -PA80 -PP --max-retries 0 -S SOURCE -e eth0 -sS " +
      `-p 22,23 ${TARGET}`,
  },
  { tool: "nmap FIN", command: `${NMAP} -sF -p 1-20 ${TARGET}` },
  { tool: "nmap NULL", command: `${NMAP} -sN -p 1-20 ${TARGET}` },
  { tool: "nmap Xmas", command: `${NMAP} -sX -p 1-20 ${TARGET}` },
  { tool: "nmap Xmas", command: `${NMAP6} -sX -p 1-20 ${WATCHED.ipv6}` },
  { tool: "nmap UDP", command: `${NMAP} -sU -T4 -p 1-12 ${TARGET}` },
  { tool: "nmap SYN, UDP", command: `${NMAP} -sS -sU -T4 -p T:1-20,U:1-12 ${TARGET}` },
  { tool: "nmap ACK/Window", command: `${NMAP} -sA -p 1-20 ${TARGET}`, extended: true },
  { tool: "nmap ACK/Window", command: `${NMAP} -sW -p 1-20 ${TARGET}`, extended: true },
  { tool: "nmap Maimon", command: `${NMAP} -sM -p 1-20 ${TARGET}`, extended: true },
  {
    tool: "nmap SYN, OS detection",
    command: `${NMAP} -sS -O --max-os-tries 1 -p 1-20 ${TARGET}`,
  },
  { tool: "masscan", command: `${MASSCAN} -p 1-40 --rate 500` },
  { tool: "masscan", command: `${MASSCAN} -p 22 --rate 100` },
  { tool: "masscan", command: `${MASSCAN} -p 1-1000 --rate 10000` },
  { tool: "masscan", command: `${MASSCAN} -pU:1-30 --rate 1000` },
  { tool: "masscan", command: `${MASSCAN6} -p 1-40 --rate 1000` },
  { tool: "zmap", command: `${ZMAP} -M tcp_synscan -p 22 -r 100 ${TARGET}` },
  { tool: "zmap", command: `${ZMAP} -M tcp_synscan -p 443 -P 4 -B 1M ${TARGET}` },
  { tool: "zmap", command: `${ZMAP} -M udp --probe-args=text:hello -p 53 -r 100 ${TARGET}` },
  { tool: "hping3", command: `${HPING} -S -c 8 -i u10000 -p ++20 ${TARGET}` },
  { tool: "hping3", command: `${HPING} -S -c 1 -p 22 ${TARGET}` },
  { tool: "hping3", command: `${HPING} -S --scan 1-30 ${TARGET}` },
  { tool: "hping3", command: `${HPING} -F -c 4 -i u10000 -p 20 ${TARGET}` },
  { tool: "hping3", command: `${HPING} -2 -c 8 -i u10000 -p ++20 ${TARGET}` },
];

/** What evades the fingerprints, as docs/fingerprints.md says. */
export const EVASIONS: readonly ToolScan[] = [
  // Its fragments hold no whole header; the program counts them, and sees nothing else.
  { tool: "nothing came", command: `${NMAP} -sS -f -p 1-20 ${TARGET}` },
  { tool: "unknown", command: `${NMAP6} -sS -p 22 ${WATCHED.ipv6}` },
  { tool: "unknown", command: `${NMAP6} -sU -T4 -p 1-12 ${WATCHED.ipv6}` },
  { tool: "unknown", command: `${NMAP} -sU -p 53 ${TARGET}` },
  { tool: "unknown", command: `${MASSCAN} -pU:53 --rate 100` },
  { tool: "unknown", command: `${HPING} -S -w 1000 -c 4 -i u10000 -p ++20 ${TARGET}` },
  { tool: "unknown", command: `${HPING} -S --tcp-timestamp -c 4 -i u10000 -p ++20 ${TARGET}` },
  { tool: "unknown", command: `${HPING} -2 -c 1 -p 53 ${TARGET}` },
  { tool: "unknown", command: `${HPING} -A -c 4 -i u10000 -p ++20 ${TARGET}`, extended: true },
];

const PYTHON = "import socket,sys\nfor p in range(20,26):\n s=socket.socket(socket.FAMILY)\n" +
  " s.settimeout(2)\n s.bind((sys.argv[1],0))\n try: s.connect((sys.argv[2],p))\n" +
  " except OSError: pass";
const DENO = "const net=require('net');for(let port=20;port<26;port++)" +
  "net.connect({localAddress:process.argv[2],host:process.argv[3],port}).on('error',()=>{})";

/** What is no tool: programs that call connect(2), as all do; the words of a command as they are. */
export function ordinary(source: string): string[][] {
  const six = source.includes(":");
  const target = six ? WATCHED.ipv6 : WATCHED.ipv4;
  const url = (port: number) => `http://${six ? `[${target}]` : target}:${port}/`;
  return [
    words(`nc -z -w 2 -s ${source} ${target} 20-26`),
    words(`nc -z -w 2 -s ${source} ${target} 23`),
    words(`curl -s -m 2 --interface ${source} ${url(22)} ${url(80)} ${url(8080)}`),
    ["python3", "-c", PYTHON.replace("FAMILY", six ? "AF_INET6" : "AF_INET"), source, target],
    [Deno.execPath(), "eval", "--ext=cjs", DENO, "--", source, target],
    // nmap -sT is one of them: it leaves everything to the system.
    words(`nmap ${six ? "-6 " : ""}-n -Pn --max-retries 0 -sT -p 1-20 ${target}`),
  ];
}

/** A watched host, its watcher, and a scanning host with as many addresses as one wants. */
export class ToolRange implements AsyncDisposable {
  #addresses = 0;

  private constructor(
    readonly network: Network,
    readonly empty: string,
    readonly watcher: Deno.ChildProcess,
    readonly reader: ReadableStreamDefaultReader<Uint8Array>,
  ) {}

  static async create(): Promise<ToolRange> {
    const network = await Network.create();
    const script = new URL("./tool_watcher.ts", import.meta.url).pathname;
    const watcher = new Deno.Command("ip", {
      args: words(
        `netns exec ${network.watched} ${Deno.execPath()} run -A ${script} eth0 ${SCANNER.ipv4}`,
      ),
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const empty = await Deno.makeTempFile();
    const range = new ToolRange(network, empty, watcher, watcher.stdout.getReader());
    try {
      assert.equal(await range.#line(), "watching");
      // Those who make frames themselves do not wait for the neighbour's address.
      await network.onScanner(`ip neigh replace ${WATCHED.ipv4} lladdr ${WATCHED.mac} dev eth0`);
      await network.onScanner(`ip neigh replace ${WATCHED.ipv6} lladdr ${WATCHED.mac} dev eth0`);
    } catch (error) {
      await range[Symbol.asyncDispose]();
      throw error;
    }
    return range;
  }

  /** Another address of the scanning host. */
  async address(family: 4 | 6): Promise<string> {
    const n = ++this.#addresses;
    assert.ok(n < 240, "no addresses are left");
    const address = family === 4 ? `192.0.2.${10 + n}` : `2001:db8::${n.toString(16)}:1`;
    const more = family === 4 ? "/24" : "/64 nodad";
    await this.network.onScanner(`ip addr add ${address}${more} dev eth0`);
    return address;
  }

  /** Runs a command of the table from an address of its own. */
  async scan({ command }: ToolScan): Promise<string> {
    const source = await this.address(command.includes(WATCHED.ipv6) ? 6 : 4);
    await this.network.onScanner(
      command.replaceAll("SOURCE", source).replaceAll("EMPTY", this.empty),
      { mayFail: true }, // zmap and hping3 tell by their status whether anything answered
    );
    return source;
  }

  /** Runs a command that calls connect(2); most tell by their status that nobody listened. */
  async run(command: string[]): Promise<void> {
    await run(["ip", "netns", "exec", this.network.scanner, ...command], { mayFail: true });
  }

  /** The tools of all sources since this was asked last. */
  async tools(): Promise<Tools> {
    const writer = this.watcher.stdin.getWriter();
    await writer.write(new TextEncoder().encode("\n"));
    writer.releaseLock();
    return JSON.parse(await this.#line());
  }

  async #line(): Promise<string> {
    const decoder = new TextDecoder();
    let text = "";
    while (!text.endsWith("\n")) {
      const { value, done } = await this.reader.read();
      if (done) throw new Error("the watcher has ended");
      text += decoder.decode(value, { stream: true });
    }
    return text.trimEnd();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.watcher.stdin.close();
    await this.reader.cancel();
    await this.watcher.status;
    await Deno.remove(this.empty);
    await this.network[Symbol.asyncDispose]();
  }
}

/** What became of one line of the table. */
export interface Outcome extends ToolScan {
  /** Names in place of that one, or `nothing came`. */
  names: string[];
}

const NOTHING = "nothing came";
const AT_ONCE = 6;
/** A tool that finds no way to its target in time sends nothing, and so tells nothing. */
const TRIES = 3;

/** Runs every scan of a table so many times, some of them at once. */
export async function runScans(
  range: ToolRange,
  scans: readonly ToolScan[],
  times: number,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = scans.map((scan) => ({ ...scan, names: [] }));
  let due = outcomes.flatMap((outcome) => Array<Outcome>(times).fill(outcome));
  for (let tries = 1; due.length > 0; tries++) {
    const again: Outcome[] = [];
    for (const [outcome, name] of await runAll(range, due)) {
      const idle = name === NOTHING && outcome.tool !== NOTHING && tries < TRIES;
      if (idle) again.push(outcome);
      else outcome.names.push(name);
    }
    due = again;
  }
  return outcomes;
}

/** Runs each scan once, and says what it is called. */
async function runAll<Scan extends ToolScan>(
  range: ToolRange,
  scans: readonly Scan[],
): Promise<[Scan, string][]> {
  const queue = [...scans];
  const sources: [Scan, string][] = [];
  const worker = async () => {
    for (let scan = queue.pop(); scan; scan = queue.pop()) {
      sources.push([scan, await range.scan(scan)]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const tools = await range.tools();
  return sources.map(([scan, source]) => {
    const seen = tools[source];
    return [scan, seen ? scan.extended ? seen.all : seen.probes : NOTHING];
  });
}
