/**
 * A state file that outlives the programs which keep it, and a clock that can be set under them.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { BlockRecord } from "../../src/state/state_file.ts";
import { type Network, WATCHED } from "./network.ts";
import { Program, type ProgramOptions } from "./program.ts";

const FAKETIME = fileURLToPath(
  new URL(
    `../../.tools/debian/libfaketime/usr/lib/${Deno.build.arch}-linux-gnu/faketime/libfaketimeMT.so.1`,
    import.meta.url,
  ),
);

/** A folder that outlives programs, with a configuration whose state is in it. */
export class Shared {
  readonly folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  readonly state = `${this.folder}/state/portsentry.db`;

  constructor(readonly network: Network) {}

  start(config?: string, options?: ProgramOptions): Promise<Program> {
    return Program.start(this.#options(config, options));
  }

  /** @param state another name of the state file */
  spawn(config?: string, options?: ProgramOptions, state?: string): Program {
    return Program.spawn(this.#options(config, options, state));
  }

  #options(config = "", options: ProgramOptions = {}, state = this.state): ProgramOptions {
    return {
      config: `TCP_PORTS="1-1024"\nBLOCK_TCP="1"\nFIREWALL="nftables"\nSTATE_FILE="${state}"\n` +
        `CONTROL_SOCKET="FOLDER/control.sock"\n${config}`,
      namespace: this.network.watched,
      permissions: [`--allow-read=${this.folder}`, `--allow-write=${this.folder}`],
      ...options,
    };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

export async function blocked(program: Program): Promise<BlockRecord[]> {
  return JSON.parse((await program.command("blocked", "--json")).stdout).blocked;
}

/** Has the scanning host blocked. */
export async function probe(network: Network, program: Program): Promise<void> {
  await network.nmap(`-sS -p 23 ${WATCHED.ipv4}`);
  await program.until(() => program.stdout.includes("blocked: [true]"), "the probe is answered");
}

/** A wall clock of a program's own: its environment, and what sets it, such as `-3600`. */
export function clock(folder: string): { env: Record<string, string>; set(offset: string): void } {
  const file = `${folder}/clock`;
  const set = (offset: string) => Deno.writeTextFileSync(file, offset);
  set("+0");
  return {
    set,
    env: {
      LD_PRELOAD: FAKETIME,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    },
  };
}
