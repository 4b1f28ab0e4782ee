/**
 * A process that changes files of the program's, to be killed at any of its system calls:
 * `deno run kill_host.ts state|blocked PATH` or `… hosts.deny PATH HOST`. It prints a line when it begins,
 * and one after each change.
 *
 * @module
 */
import { BlockedSet } from "../../src/response/blocked_set.ts";
import { HostsDeny } from "../../src/response/hosts_deny.ts";
import { StateFile } from "../../src/state/state_file.ts";

/** The changes that are made, one after the other. */
export const CHANGES = {
  state: [
    (state: StateFile) => state.add([record("192.0.2.1", 1), record("192.0.2.2", 1)]),
    (state: StateFile) => state.add([record("2001:db8::/64", 1)], ["192.0.2.1"]),
    (state: StateFile) => state.add([record("192.0.2.2", 2)]),
    (state: StateFile) => state.forgive(["192.0.2.2"]),
    (state: StateFile) => state.replace([record("192.0.2.3", 1), record("192.0.2.4", 1)]),
    (state: StateFile) => state.forget(Date.now()),
  ],
  hosts: ["192.0.2.1", "2001:db8::1", "192.0.2.3"],
};

function record(host: string, count: number) {
  return { host, startMs: 1000, endMs: undefined, reason: "a test", count };
}

const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));

async function main([what, path, ...hosts]: string[]): Promise<void> {
  if (what === "state") {
    const state = StateFile.open(path);
    say("begun");
    for (const change of CHANGES.state) {
      change(state);
      say("changed");
    }
    state.close();
  } else if (what === "blocked") {
    const blocked = BlockedSet.open(path);
    say("begun");
    for (const host of CHANGES.hosts) {
      blocked.add(host);
      say("changed");
    }
    blocked.close();
  } else {
    const deny = new HostsDeny(path, `${path}.new`);
    say("begun");
    for (const host of hosts) {
      const failure = await deny.add(`ALL: ${host}`);
      if (failure !== undefined) throw new Error(failure);
      say("changed");
    }
  }
}

if (import.meta.main) await main(Deno.args);
