/**
 * What the measurements share: the program in a namespace of its own, with its outputs in files, and
 * what the kernel knows of its process.
 *
 * @module
 */
import { ethernet, ipv4, tcp } from "../tests/frames.ts";
import type { Network } from "../tests/system/network.ts";
import { programCommand, type ProgramOptions } from "../tests/system/program.ts";

const TICK_MS = 10; // sysconf(_SC_CLK_TCK) is 100

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A program that is being measured. */
export class Subject implements AsyncDisposable {
  private constructor(
    readonly folder: string,
    readonly child: Deno.ChildProcess,
    /** From exec to "now active", in milliseconds. */
    readonly startMs: number,
  ) {}

  static async start(network: Network, config: string, options: ProgramOptions): Promise<Subject> {
    const folder = Deno.makeTempDirSync({ prefix: "portsentry-bench-" });
    const text = config.replaceAll("FOLDER", folder);
    Deno.writeTextFileSync(`${folder}/portsentry.conf`, text);
    const command = programCommand(folder, { permissions: ["--allow-run=/bin/sh"], ...options });
    const begin = performance.now();
    const child = new Deno.Command("ip", {
      args: [
        ...["netns", "exec", network.watched, "sh", "-c"],
        ...[`exec "$@" >${folder}/stdout 2>${folder}/stderr`, "sh"],
        ...command,
        ...["-c", `${folder}/portsentry.conf`, ...(options.args ?? [])],
      ],
      stdin: "null",
    }).spawn();
    while (!readIfThere(`${folder}/stdout`).includes("now active")) {
      if (performance.now() - begin > 20_000) throw new Error(readIfThere(`${folder}/stderr`));
      await pause(2);
    }
    return new Subject(folder, child, performance.now() - begin);
  }

  /** CPU used so far, user and system, in milliseconds. */
  cpuMs(): number {
    const fields = Deno.readTextFileSync(`/proc/${this.child.pid}/stat`).split(") ")[1].split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  }

  /** Resident memory, in MiB. */
  rssMiB(): number {
    const status = Deno.readTextFileSync(`/proc/${this.child.pid}/status`);
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }

  file(name: string): string {
    return readIfThere(`${this.folder}/${name}`);
  }

  /** Ends the program and waits until all it had to write is written. */
  async stop(): Promise<void> {
    this.child.kill("SIGTERM");
    await this.child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.child.status;
    await Deno.remove(this.folder, { recursive: true });
  }
}

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

/** Lines of a file that may be too long for a string. */
export async function countLines(path: string): Promise<number> {
  let lines = 0;
  using file = await Deno.open(path);
  for await (const chunk of file.readable) for (const byte of chunk) if (byte === 10) lines++;
  return lines;
}

/** Writes a pcap file (pcap-savefile(5)) of SYNs to a port, each from another source. */
export function writeFlood(path: string, packets: number, port = 23): void {
  const frame = ethernet(ipv4(tcp({ port })));
  const bytes = new Uint8Array(24 + packets * (16 + frame.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xa1b2c3d4, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 65_535, true);
  view.setUint32(20, 1, true); // LINKTYPE_ETHERNET
  for (let i = 0; i < packets; i++) {
    const offset = 24 + i * (16 + frame.length);
    view.setUint32(offset + 8, frame.length, true);
    view.setUint32(offset + 12, frame.length, true);
    bytes.set(frame, offset + 16);
    view.setUint32(offset + 16 + 26, 0x0b00_0000 + i); // source address
    setIpChecksum(view, offset + 16 + 14);
  }
  Deno.writeFileSync(path, bytes);
}

/** The checksum of a header without options (RFC 1071). */
function setIpChecksum(view: DataView, start: number): void {
  view.setUint16(start + 10, 0);
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += view.getUint16(start + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  view.setUint16(start + 10, ~sum & 0xffff);
}

/** `0.61 / 0.95 ms`: median and 95th percentile. The first tenth warms up. */
export function percentiles(times: number[]): string {
  const sorted = times.slice(Math.ceil(times.length / 10)).sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)].toFixed(2);
  return `${at(0.5)} / ${at(0.95)} ms`;
}

/** Runs probe.ts on the scanning host. */
export async function probe(network: Network, ...args: string[]): Promise<number[]> {
  const script = new URL("./probe.ts", import.meta.url).pathname;
  const command = `${Deno.execPath()} run -A ${script} ${args.join(" ")}`;
  return JSON.parse((await network.onScanner(command)).stdout);
}

/** Sends a pcap file from the scanning host as fast as it goes. @returns packets a second */
export async function replay(network: Network, file: string): Promise<number> {
  const { stdout } = await network.onScanner(`tcpreplay -q -K --topspeed -i eth0 ${file}`);
  return Number(/Rated:.* ([\d.]+) pps/.exec(stdout)?.[1]);
}
