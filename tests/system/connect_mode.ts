/**
 * Connect mode under test: how it is started, who comes, and what it tells.
 *
 * @module
 */
import type { Network } from "./network.ts";
import { eventLine, Program, type ProgramOptions } from "./program.ts";

const CLIENT = new URL("./client.ts", import.meta.url).pathname;

/** Runs the client on the scanning host. */
export async function client<T>(network: Network, args: string): Promise<T> {
  const { stdout } = await network.onScanner(
    `${Deno.execPath()} run -A --no-prompt ${CLIENT} ${args}`,
  );
  return JSON.parse(stdout) as T;
}

/** Starts connect mode on the watched host. */
export function connectMode(network: Network, options: ProgramOptions): Promise<Program> {
  return Program.start({ namespace: network.watched, args: ["--connect"], ...options });
}

/** The event line of a log-only connection or datagram. */
export function connectLine(
  options: { source: string; port: number; protocol?: string; flags?: string[] },
): string {
  return eventLine({ ...options, type: "Connect", options: "unknown" });
}

/** CPU time of a process so far, in ticks of 10 ms (proc_pid_stat(5)). */
export function cpuTicks(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /, "").split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** Resolves after a while. */
export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Numbers from `first` to `last`. */
export const range = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);
