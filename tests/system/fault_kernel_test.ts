/**
 * The kernel as a source of trouble: messages that it has no room for, and descriptors it does not give.
 */
import assert from "node:assert/strict";
import { ethernet, ipv4, tcp } from "../frames.ts";
import { elements } from "./firewall_tools.ts";
import { Network, run, WATCHED } from "./network.ts";
import { METHODS, Program } from "./program.ts";

const GATEWAY = [192, 0, 2, 50];
const NEW_ADDRESS = [192, 0, 2, 77];
const CHANGES = 1500; // 220 KB of them are kept for a socket: net.core.rmem_default

/** Sockets of a process that the kernel had no room for, by their netlink family. */
async function overflows(network: Network): Promise<Set<number>> {
  const { stdout } = await network.onWatched("cat /proc/net/netlink");
  const rows = stdout.trim().split("\n").slice(1).map((line) => line.trim().split(/\s+/));
  return new Set(rows.filter((row) => Number(row[8]) > 0).map((row) => Number(row[1])));
}

for (const [name, method] of METHODS.slice(0, 2)) {
  Deno.test(`${name}: netlink overflows: interfaces, guard and firewall are looked at anew`, async () => {
    await using network = await Network.create();
    await using program = await Program.start({
      ...method,
      config: 'TCP_PORTS="1-1024"\nBLOCK_TCP="1"\nFIREWALL="nftables"\n' +
        'STATE_FILE="FOLDER/state.db"\nCONTROL_SOCKET="FOLDER/control.sock"',
      namespace: network.watched,
    });
    assert.equal((await program.command("block", "203.0.113.1")).code, 0);
    const folder = program.folder;
    const addresses = Array.from({ length: CHANGES }, (_, i) => `10.1.${i >> 8}.${i & 255}/32`);
    Deno.writeTextFileSync(
      `${folder}/addresses`,
      ["add", "del"].map((verb) =>
        addresses.map((address) => `addr ${verb} ${address} dev eth0\n`).join("")
      ).join("") +
        `addr add ${NEW_ADDRESS.join(".")}/24 dev eth0\n` +
        `route add default via ${GATEWAY.join(".")}\n`,
    );
    program.child.kill("SIGSTOP");
    await network.onWatched(`ip -batch ${folder}/addresses`);
    // A transaction a line, and a message for each.
    Deno.writeTextFileSync(
      `${folder}/rules`,
      "add table ip other\ndelete table ip other\n".repeat(CHANGES),
    );
    const interactive = `nft -i <${folder}/rules >/dev/null`;
    await run(["ip", "netns", "exec", network.watched, "sh", "-c", interactive]);
    await network.onWatched("nft flush ruleset");
    const NETLINK_ROUTE = 0;
    const NETLINK_NETFILTER = 12;
    assert.deepEqual([...await overflows(network)].toSorted((a, b) => a - b), [
      NETLINK_ROUTE,
      NETLINK_NETFILTER,
    ]);
    program.child.kill("SIGCONT");
    await program.until(() => /from outside: the table/.test(program.stderr), "it is repaired");
    assert.deepEqual(await elements(network, "blocked4"), ["203.0.113.1"]);
    const probe = (source: number[], destination: number[]) =>
      network.inject([ethernet(ipv4(tcp(), { source, destination }))]);
    const own = WATCHED.ipv4.split(".").map(Number);
    // Again and again: it is looked at a moment after the last message.
    const probeUntil = async (source: number[], destination: number[], told: string) => {
      for (let tries = 1; !program.stdout.includes(told); tries++) {
        assert.ok(tries < 50, `${told}\n${program.stdout}${program.stderr}`);
        await probe(source, destination);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    await probeUntil([11, 0, 0, 1], NEW_ADDRESS, "[11.0.0.1]");
    await probeUntil(GATEWAY, own, `Host: ${GATEWAY.join(".")} is a default gateway`);
    assert.equal(await program.stop(), 0);
  });
}

Deno.test("out of descriptors: probes are seen and blocked, commands are told, and all mends", async () => {
  await using network = await Network.create();
  await using program = await Program.start({
    config: 'TCP_PORTS="1-1024"\nHISTORY_FILE="FOLDER/history"\nBLOCK_TCP="1"\n' +
      'FIREWALL="nftables"\nKILL_ROUTE="true; # $TARGET$"\nBLOCKED_FILE="FOLDER/blocked"\n' +
      'STATE_FILE="FOLDER/state.db"\nCONTROL_SOCKET="FOLDER/control.sock"',
    permissions: ["--allow-run=/bin/sh"],
    namespace: network.watched,
  });
  const limit = (most: number) =>
    run(["prlimit", `--pid=${program.child.pid}`, `--nofile=${most}:4096`]);
  await network.flood({ packets: 1 });
  const first = /11\.0\.0\.0 has been blocked via dropped route/;
  await program.until(() => first.test(program.stdout), "the first command has run");
  const before = await descriptorsAtRest(program);
  await limit(3);
  await network.flood({ packets: 20, firstSource: 0x0c00_0000 });
  await program.until(() => program.eventLines().length === 21, "all are events");
  assert.equal((await elements(network, "blocked4")).length, 21);
  const failed = /KILL_ROUTE for host 12\.0\.0\.\d+: the command ".*" could not be started: .*open/;
  assert.match(program.stderr, failed);
  assert.doesNotMatch(program.stderr, /internal error|Uncaught/);
  // A reload needs descriptors, and a client of the control socket does.
  program.child.kill("SIGHUP");
  const refused = () => program.stderr.includes("the old one stays in force");
  await program.until(refused, "the reload is refused");
  const cpu = cpuMs(program);
  const client = program.command("status");
  await new Promise((resolve) => setTimeout(resolve, 1000));
  assert.ok(cpuMs(program) - cpu < 500, "a client that waits takes no CPU to speak of");
  await limit(1024);
  assert.equal((await client).code, 0);
  assert.equal((await program.command("reload")).code, 0);
  await network.flood({ packets: 1, firstSource: 0x0d00_0000 });
  const route = /13\.0\.0\.0 has been blocked via dropped route/;
  await program.until(() => route.test(program.stdout), "commands run again");
  await program.until(() => descriptors(program) <= before, "no descriptor has leaked");
  assert.equal(program.file("history").split("\n").length - 1, 22);
  assert.equal(await program.stop(), 0);
});

function descriptors(program: Program): number {
  return [...Deno.readDirSync(`/proc/${program.child.pid}/fd`)].length;
}

/** How many there are when their number has not changed for half a second. */
async function descriptorsAtRest(program: Program): Promise<number> {
  for (let count = descriptors(program), since = performance.now();;) {
    if (performance.now() - since > 500) return count;
    await new Promise((resolve) => setTimeout(resolve, 50));
    const now = descriptors(program);
    if (now === count) continue;
    count = now;
    since = performance.now();
  }
}

function cpuMs(program: Program): number {
  const fields = Deno.readTextFileSync(`/proc/${program.child.pid}/stat`).split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
