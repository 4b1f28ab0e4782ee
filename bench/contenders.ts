/**
 * The programs that are measured, each started in a namespace of its own: this one, with either way
 * to capture, and Debian's portsentry 1.2.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { StateFile } from "../src/state/state_file.ts";
import type { Network } from "../tests/system/network.ts";
import { METHODS, programCommand, type ProgramOptions } from "../tests/system/program.ts";
import { pause, Subject } from "./rig.ts";

/** What a measurement asks of a program. `FOLDER` in its texts is the subject's own folder. */
export interface Setup {
  /** BLOCK_TCP="1" with this KILL_ROUTE; none to log only. */
  killRoute?: string;
  /** BLOCK_TCP="1" with FIREWALL. */
  firewall?: true;
  /** Blocks in its state file. */
  blocks?: number;
  /** SCAN_TRIGGER */
  scanTrigger?: number;
}

/** A program that can be measured. */
export interface Contender {
  name: string;
  /** Whether it looks for services on the ports as packets come. */
  checksServices: boolean;
  /** Whether it blocks without a command. */
  hasFirewall: boolean;
  /** The file in its folder that tells an event first. */
  eventFile: "stdout" | "history";
  start(network: Network, setup?: Setup): Promise<Subject>;
}

const START_MS = 20_000;

/** This program. */
function ours(name: string, options: ProgramOptions & { args: string[] }): Contender {
  return {
    name,
    checksServices: true,
    hasFirewall: true,
    eventFile: "stdout",
    start: async (network, setup = {}) => {
      const folder = newFolder();
      Deno.writeTextFileSync(
        `${folder}/portsentry.conf`,
        `TCP_PORTS="1-1024"\n${settings(folder, setup)}`,
      );
      if (setup.blocks !== undefined) writeBlocks(`${folder}/state.db`, setup.blocks);
      const begin = performance.now();
      const child = new Deno.Command("ip", {
        args: [
          ...["netns", "exec", network.watched, "sh", "-c"],
          ...[`exec "$@" >${folder}/stdout 2>${folder}/stderr`, "sh"],
          ...programCommand(folder, { ...options, permissions: ["--allow-run=/bin/sh"] }),
          ...["-c", `${folder}/portsentry.conf`, ...options.args],
        ],
        stdin: "null",
      }).spawn();
      const subject = new Subject(folder, child.pid, () => child.status);
      await begun(() => subject.file("stdout").includes("now active"), subject);
      subject.startMs = performance.now() - begin;
      return subject;
    },
  };
}

/** Debian's, unpacked. It reads one fixed config file, so it gets an /etc of its own. */
function debians(binary: string): Contender {
  return {
    name: "Debian 1.2, -stcp",
    checksServices: false,
    hasFirewall: false,
    eventFile: "history",
    start: async (network, setup = {}) => {
      const folder = newFolder();
      await run("cp", "-a", "/etc", `${folder}/etc`);
      Deno.mkdirSync(`${folder}/etc/portsentry`, { recursive: true });
      Deno.writeTextFileSync(`${folder}/etc/portsentry/portsentry.ignore`, "");
      Deno.writeTextFileSync(
        `${folder}/etc/portsentry/portsentry.conf`,
        // All it is probed at here; it can watch 64 ports in this mode.
        `TCP_PORTS="23"\nUDP_PORTS="9"\nIGNORE_FILE="/etc/portsentry/portsentry.ignore"\n` +
          `BLOCKED_FILE="${folder}/blocked"\nBLOCK_UDP="0"\nRESOLVE_HOST="0"\n` +
          settings(folder, { scanTrigger: 0, ...setup }),
      );
      Deno.writeTextFileSync(`${folder}/history`, ""); // so that it can be watched
      const inside = `mount --bind ${folder}/etc /etc && exec ${binary} -stcp`;
      const begin = performance.now();
      // It goes into the background by itself.
      await run("ip", "netns", "exec", network.watched, "unshare", "-m", "sh", "-c", inside);
      const subject = new Subject(folder, await pidIn(network.watched), async (pid) => {
        while (isRunning(pid)) await pause(5);
      });
      // It watches when its socket is there.
      await begun(() => /:0006 /.test(readIfThere(`/proc/${subject.pid}/net/raw`)), subject);
      subject.startMs = performance.now() - begin;
      return subject;
    },
  };
}

/** Lines that both know. */
function settings(folder: string, { killRoute, firewall, blocks, scanTrigger }: Setup): string {
  return [
    ...(blocks === undefined ? [] : [`BLOCK_MAX="${blocks}"`]),
    `HISTORY_FILE="${folder}/history"`,
    ...(scanTrigger === undefined ? [] : [`SCAN_TRIGGER="${scanTrigger}"`]),
    ...(firewall
      ? [`BLOCK_TCP="1"`, `FIREWALL="nftables"`, `STATE_FILE="${folder}/state.db"`]
      : killRoute === undefined
      ? [`BLOCK_TCP="0"`]
      : [`BLOCK_TCP="1"`, `KILL_ROUTE="${killRoute.replaceAll("FOLDER", folder)}"`]),
    "",
  ].join("\n");
}

/** A state file with blocks of as many hosts, that a run before has left. */
function writeBlocks(path: string, blocks: number): void {
  const state = StateFile.open(path);
  const startMs = Date.now();
  state.add(Array.from({ length: blocks }, (_, i) => ({
    host: `10.${i >> 16}.${i >> 8 & 255}.${i & 255}`,
    startMs,
    endMs: startMs + 3_600_000 + i,
    reason: "TCP port 23",
    count: 1,
  })));
  state.close();
}

function newFolder(): string {
  return Deno.makeTempDirSync({ prefix: "portsentry-bench-" });
}

async function begun(holds: () => boolean, subject: Subject): Promise<void> {
  const deadline = performance.now() + START_MS;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`no start: ${subject.file("stderr")}`);
    await pause(2);
  }
}

async function run(command: string, ...args: string[]): Promise<string> {
  const output = await new Deno.Command(command, { args, stdin: "null" }).output();
  if (!output.success) throw new Error(new TextDecoder().decode(output.stderr));
  return new TextDecoder().decode(output.stdout);
}

async function pidIn(namespace: string): Promise<number> {
  for (;;) {
    const pids = (await run("ip", "netns", "pids", namespace)).split("\n").filter((pid) => pid);
    if (pids.length === 1) return Number(pids[0]);
    await pause(2);
  }
}

function isRunning(pid: number): boolean {
  return readIfThere(`/proc/${pid}/stat`) !== "";
}

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

/** The binary of Debian's portsentry, unpacked by `tools/setup.sh portsentry-1` or installed. */
function debiansBinary(): string | undefined {
  const unpacked = new URL("../.tools/debian/portsentry/usr/sbin/portsentry", import.meta.url);
  return [fileURLToPath(unpacked), "/usr/sbin/portsentry"].find((path) => {
    try {
      // Only version 1 is this contender; a later one is not Debian's.
      return new TextDecoder("latin1").decode(Deno.readFileSync(path)).includes("-stcp");
    } catch {
      return false;
    }
  });
}

const binary = debiansBinary();

/** Everyone who is there to be measured. */
export const CONTENDERS: Contender[] = [
  ...METHODS.slice(0, 2).map(([name, options]) => ours(name, options)),
  ...(binary === undefined ? [] : [debians(binary)]),
];
