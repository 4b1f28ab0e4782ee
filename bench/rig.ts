/**
 * What the measurements share: the program in a namespace of its own, with its outputs in files, and
 * what the kernel knows of its process.
 *
 * @module
 */
import { ethernet, ipv4, setIpChecksum, tcp } from "../tests/frames.ts";
import type { Network } from "../tests/system/network.ts";

const TICK_MS = 10; // sysconf(_SC_CLK_TCK) is 100

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A program that is being measured. */
export class Subject implements AsyncDisposable {
  /** From exec until it watches, in milliseconds. */
  startMs = NaN;

  /**
   * @param folder of its own, with all that it writes
   * @param ended waits for the process to end
   */
  constructor(
    readonly folder: string,
    readonly pid: number,
    readonly ended: (pid: number) => Promise<unknown>,
  ) {}

  /** CPU used so far, user and system, in milliseconds. */
  cpuMs(): number {
    const fields = Deno.readTextFileSync(`/proc/${this.pid}/stat`).split(") ")[1].split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  }

  /** Resident memory, in MiB. */
  rssMiB(): number {
    const status = Deno.readTextFileSync(`/proc/${this.pid}/status`);
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }

  /** What one of its files says; nothing when it is not there. */
  file(name: string): string {
    try {
      return Deno.readTextFileSync(`${this.folder}/${name}`);
    } catch {
      return "";
    }
  }

  /** Ends the program and waits until all it had to write is written. */
  async stop(): Promise<void> {
    this.#kill("SIGTERM");
    await this.ended(this.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill("SIGKILL");
    await this.ended(this.pid);
    await Deno.remove(this.folder, { recursive: true });
  }

  #kill(signal: Deno.Signal): void {
    try {
      Deno.kill(this.pid, signal);
    } catch {
      // It has ended already.
    }
  }
}

/** Lines of a file that may be too long for a string. */
export async function countLines(path: string): Promise<number> {
  let lines = 0;
  using file = await Deno.open(path);
  for await (const chunk of file.readable) for (const byte of chunk) if (byte === 10) lines++;
  return lines;
}

/** Writes a pcap file (pcap-savefile(5)) of SYNs, or other frames, each from another source. */
export function writeFlood(
  path: string,
  packets: number,
  frame = ethernet(ipv4(tcp({ port: 23 }))),
): void {
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
    setIpChecksum(bytes, offset + 16 + 14);
  }
  Deno.writeFileSync(path, bytes);
}

/** `0.61 / 0.95 ms`: median and 95th percentile. The first tenth warms up. */
export function percentiles(times: number[] | null): string {
  if (!times) return "none in 10 s";
  const sorted = times.slice(Math.ceil(times.length / 10)).sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)].toFixed(2);
  return `${at(0.5)} / ${at(0.95)} ms`;
}

/**
 * Runs one of the probes here on the scanning host.
 *
 * @returns milliseconds; null when it waited in vain
 */
export async function probe(
  network: Network,
  script: "probe.ts" | "drop_probe.ts",
  ...args: string[]
): Promise<number[] | null> {
  const path = new URL(script, import.meta.url).pathname;
  const command = `${Deno.execPath()} run -A ${path} ${args.join(" ")}`;
  return JSON.parse((await network.onScanner(command)).stdout);
}

/** Sends a pcap file from the scanning host as fast as it goes. @returns packets a second */
export async function replay(network: Network, file: string): Promise<number> {
  const { stdout } = await network.onScanner(`tcpreplay -q -K --topspeed -i eth0 ${file}`);
  return Number(/Rated:.* ([\d.]+) pps/.exec(stdout)?.[1]);
}
