import assert from "node:assert/strict";
import { Network, run, SCANNER, WATCHED } from "./network.ts";
import { eventLine, METHODS, Program } from "./program.ts";

const CONFIG = 'TCP_PORTS="1-1024"';
const RESPITE_MS = 300; // what the program may take to follow

const settle = () => new Promise((resolve) => setTimeout(resolve, RESPITE_MS));

/** Scans a port and asserts whether that becomes an event. */
async function probe(
  network: Network,
  program: Program,
  port: number,
  address: string,
  seen = true,
): Promise<void> {
  const before = program.eventLines().length;
  const family = address.includes(":") ? "-6 " : "";
  await network.nmap(`${family}-sS -p ${port} ${address}`);
  const lines = (await program.events(before + (seen ? 1 : 0))).slice(before);
  const options = family ? "unknown" : "not set";
  const source = family ? SCANNER.ipv6 : SCANNER.ipv4;
  assert.deepEqual(lines, seen ? [eventLine({ source, port, options })] : []);
}

const WAYS: typeof METHODS = [...METHODS.slice(0, 2), ["-i any", { args: ["-i", "any"] }]];

for (const [name, method] of WAYS) {
  Deno.test(`${name} follows addresses and interfaces that come and go`, async (test) => {
    await using network = await Network.create();
    await using program = await Program.start({
      ...method,
      config: CONFIG,
      namespace: network.watched,
    });
    await test.step("a new IPv4 address", async () => {
      await network.onWatched("ip addr add 192.0.2.77/24 dev eth0");
      await settle();
      await probe(network, program, 1, "192.0.2.77");
      await probe(network, program, 2, WATCHED.ipv4);
    });
    await test.step("a new IPv6 address", async () => {
      await network.onWatched("ip addr add 2001:db8::77/64 dev eth0 nodad");
      await settle();
      await probe(network, program, 3, "2001:db8::77");
    });
    await test.step("an address that is gone is not this host's any more", async () => {
      await network.onWatched("ip addr del 192.0.2.77/24 dev eth0");
      await settle();
      await network.onScanner("ip neigh replace 192.0.2.77 lladdr 02:00:00:00:00:01 dev eth0");
      await probe(network, program, 4, "192.0.2.77", false);
    });
    await test.step("the interface down and up again", async () => {
      await network.onWatched("ip link set eth0 down");
      await settle();
      await network.onWatched("ip link set eth0 up");
      await network.onWatched(`ip addr replace ${WATCHED.ipv6}/64 dev eth0 nodad`);
      await settle();
      await probe(network, program, 5, WATCHED.ipv4);
      await probe(network, program, 6, WATCHED.ipv6);
    });
    await test.step("the interface under another name", async () => {
      await network.onWatched("ip link set eth0 down");
      await network.onWatched("ip link set eth0 name lan0");
      await network.onWatched("ip link set lan0 up");
      await settle();
      await probe(network, program, 7, WATCHED.ipv4);
    });
    await test.step("the interface gone, and a new one in its place", async () => {
      await network.onWatched("ip link del lan0");
      await settle();
      await network.connect();
      await settle();
      await probe(network, program, 8, WATCHED.ipv4);
      await probe(network, program, 9, WATCHED.ipv6);
    });
    assert.equal(await program.stop(), 0);
  });
}

Deno.test("one interface that fails stops no other", async () => {
  await using network = await Network.create();
  await network.onWatched("ip link add dummy0 type veth peer name dummy1");
  await network.onWatched("ip addr add 198.51.100.1/24 dev dummy0");
  await network.onWatched("ip link set dummy0 up");
  await network.onWatched("ip link set dummy1 up");
  await using program = await Program.start({ config: CONFIG, namespace: network.watched });
  await network.onWatched("ip link del dummy0");
  await settle();
  assert.match(program.stderr, /^dummy0 is not watched any more: /m);
  await probe(network, program, 1, WATCHED.ipv4);
});

Deno.test("a shortage of descriptors puts following off, and ends nothing", async () => {
  await using network = await Network.create();
  await using program = await Program.start({ config: CONFIG, namespace: network.watched });
  const limit = (most: number) =>
    run(["prlimit", `--pid=${program.child.pid}`, `--nofile=${most}:4096`]);
  await limit(3);
  await network.onWatched("ip addr add 192.0.2.77/24 dev eth0");
  await program.until(() => program.stderr.includes("Cannot follow"), "the shortage is told");
  await probe(network, program, 1, WATCHED.ipv4);
  await limit(1024);
  await new Promise((resolve) => setTimeout(resolve, 1000 + RESPITE_MS));
  await probe(network, program, 2, "192.0.2.77");
  assert.equal(program.stderr.split("Cannot follow the interfaces: ").length, 2);
});

Deno.test("an interface that goes in the moment of the end does no harm", async () => {
  await using network = await Network.create();
  await using program = await Program.start({ config: CONFIG, namespace: network.watched });
  // Both are there when the program goes on: it looks at the signal first, and then at what waits.
  program.child.kill("SIGSTOP");
  await network.onWatched("ip link del eth0");
  program.child.kill("SIGTERM");
  program.child.kill("SIGCONT");
  assert.equal(await program.ended(), 0, program.stderr);
  assert.match(program.stdout, /Portsentry is shutting down\n$/);
});

Deno.test("a host whose network is not up yet is watched when it is", async () => {
  await using network = await Network.create();
  await network.onWatched("ip link set eth0 down");
  await using program = await Program.start({ config: CONFIG, namespace: network.watched });
  assert.match(program.stderr, /^Nothing to watch yet: eth0 is down\n$/);
  await network.onWatched("ip link set eth0 up");
  await settle();
  await probe(network, program, 1, WATCHED.ipv4);
});

for (const args of [["-m", "raw"], ["-i", "any"], ["-i", "ALL"]]) {
  Deno.test(`${args.join(" ")} sees a packet through a bridge once`, async () => {
    await using network = await Network.create();
    await network.onWatched("ip link add br0 type bridge");
    await network.onWatched("ip addr flush dev eth0");
    await network.onWatched("ip link set eth0 master br0");
    await network.onWatched(`ip addr add ${WATCHED.ipv4}/24 dev br0`);
    await network.onWatched("ip link set br0 up");
    await using program = await Program.start({
      config: CONFIG,
      namespace: network.watched,
      args,
    });
    await probe(network, program, 1, WATCHED.ipv4);
  });
}

Deno.test("addresses whose filter the kernel refuses are tried again until it does not", async () => {
  await using network = await Network.create();
  await using program = await Program.start({
    config: 'TCP_PORTS="7,22"\nDETECT="extended"',
    args: ["-m", "raw", "-v"],
    namespace: network.watched,
  });
  // No memory for more than the filters that are there: net.core.optmem_max is the bound.
  const bound = (bytes: number) => `sysctl -w net.core.optmem_max=${bytes}`;
  if ((await network.onWatched(bound(4096), { mayFail: true })).code !== 0) return; // before Linux 6.8
  const addresses = Array.from({ length: 100 }, (_, i) => `192.0.2.${100 + i}`);
  const add = addresses.map((one) => `ip addr add ${one}/24 dev eth0`).join("; ");
  await network.shellOnWatched(add);
  await program.until(
    () =>
      /all interfaces cannot be watched: .*allocate/i.test(program.stderr) &&
      /Connections of new addresses are not told from scans: .*allocate/i.test(program.stderr),
    "it is told",
  );
  // Until the last of them has been looked at.
  await new Promise((resolve) => setTimeout(resolve, 300));
  await network.onWatched(bound(131_072));
  const watched = /Watching all interfaces for packets to .*192\.0\.2\.199/;
  await program.until(() => watched.test(program.stdout), "all are watched");
  await network.nmap("-sS -p 7 192.0.2.199");
  assert.equal((await program.events(1)).length, 1);
  assert.equal(program.stderr.match(/cannot be watched/g)?.length, 1);
  assert.equal(await program.stop(), 0);
});
