/**
 * Two hosts made of network namespaces and a cable between them. The addresses are those kept for
 * documentation (RFC 5737, RFC 3849), and no packet leaves the namespaces.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Flood } from "./flood.ts";

/** Addresses of the host that is watched, and of the one that scans it. */
export const WATCHED = {
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  mac: "02:00:00:00:00:01",
} as const;
export const SCANNER = {
  ipv4: "192.0.2.9",
  ipv6: "2001:db8::9",
  mac: "02:00:00:00:00:09",
} as const;

/** What a finished command left. */
export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end; a failure is an error unless it is asked for. */
export async function run(
  command: string[],
  { mayFail = false, env = {} }: { mayFail?: boolean; env?: Record<string, string> } = {},
): Promise<CommandResult> {
  const [program, ...args] = command;
  const output = await new Deno.Command(program, { args, env, stdin: "null" }).output();
  const decoder = new TextDecoder();
  const result = {
    code: output.code,
    stdout: decoder.decode(output.stdout),
    stderr: decoder.decode(output.stderr),
  };
  assert.ok(mayFail || result.code === 0, `${command.join(" ")}: ${result.stderr}`);
  return result;
}

let networks = 0;

/** The two namespaces; both are gone after `await using`, whatever happened in between. */
export class Network implements AsyncDisposable {
  readonly watched: string;
  readonly scanner: string;

  private constructor(id: string) {
    this.watched = `ps-${id}-watched`;
    this.scanner = `ps-${id}-scanner`;
  }

  /** Makes both hosts, with IPv4 and IPv6 on `eth0` and loopback up. */
  static async create(): Promise<Network> {
    const network = new Network(`${Deno.pid}-${++networks}`);
    try {
      await network.#build();
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  async #build(): Promise<void> {
    const { watched, scanner } = this;
    await run(["ip", "netns", "add", watched]);
    await run(["ip", "netns", "add", scanner]);
    await this.connect();
  }

  /** Connects the hosts by `eth0` on both, with their addresses. */
  async connect(): Promise<void> {
    const { watched, scanner } = this;
    await run(words(`ip link add eth0 netns ${watched} type veth peer name eth0 netns ${scanner}`));
    for (const [name, own] of [[watched, WATCHED], [scanner, SCANNER]] as const) {
      await run(words(`ip -n ${name} link set lo up`));
      await run(words(`ip -n ${name} link set eth0 address ${own.mac}`));
      await run(words(`ip -n ${name} addr add ${own.ipv4}/24 dev eth0`));
      await run(words(`ip -n ${name} addr add ${own.ipv6}/64 dev eth0 nodad`));
      await run(words(`ip -n ${name} link set eth0 up`));
    }
  }

  /** Runs a command on the watched host. */
  onWatched(command: string, options?: { mayFail?: boolean }): Promise<CommandResult> {
    return run(["ip", "netns", "exec", this.watched, ...words(command)], options);
  }

  /** Runs a line of bash(1) on the watched host. */
  shellOnWatched(line: string, options?: { mayFail?: boolean }): Promise<CommandResult> {
    return run(["ip", "netns", "exec", this.watched, "bash", "-c", line], options);
  }

  /** Runs a command on the scanning host. */
  onScanner(command: string, options?: { mayFail?: boolean }): Promise<CommandResult> {
    return run(["ip", "netns", "exec", this.scanner, ...words(command)], options);
  }

  /** Runs nmap on the scanning host: one try a port, no host discovery, no name look-ups. */
  nmap(args: string): Promise<CommandResult> {
    return this.onScanner(`nmap -n -Pn --max-retries 0 --host-timeout 20s ${args}`);
  }

  /** Puts frames on the wire as they are, from the scanning host. */
  async inject(frames: Uint8Array[]): Promise<void> {
    const script = new URL("./inject.ts", import.meta.url).pathname;
    const hex = frames.map((frame) => frame.toHex()).join(" ");
    await this.onScanner(`${Deno.execPath()} run -A --no-prompt ${script} eth0 ${hex}`);
  }

  /** Sends probes from the scanning host; resolves to how many the kernel took, when all are sent. */
  async flood(flood: Flood): Promise<number> {
    const script = new URL("./flood.ts", import.meta.url).pathname;
    const command = [Deno.execPath(), "run", "-A", "--no-prompt", script, JSON.stringify(flood)];
    return Number((await run(["ip", "netns", "exec", this.scanner, ...command])).stdout);
  }

  /** Services on the watched host, as listener.ts names them, until `await using` ends them. */
  async listen(services: string): Promise<AsyncDisposable> {
    const script = new URL("./listener.ts", import.meta.url).pathname;
    const child = new Deno.Command("ip", {
      args: words(`netns exec ${this.watched} ${Deno.execPath()} run -A ${script} ${services}`),
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const output = child.stdout.getReader();
    const { value } = await output.read();
    assert.equal(new TextDecoder().decode(value), "listening\n", services);
    return {
      [Symbol.asyncDispose]: async () => {
        await child.stdin.close();
        await output.cancel();
        await child.status;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A namespace is gone when its last process is; the tests end theirs before.
    await run(["ip", "netns", "del", this.watched], { mayFail: true });
    await run(["ip", "netns", "del", this.scanner], { mayFail: true });
  }
}

export function words(command: string): string[] {
  return command.trim().split(/\s+/);
}
