import assert from "node:assert/strict";
import { LIBRARIES } from "../../ffi/libraries.ts";
import { FirewallProcess, until } from "./firewall_process.ts";
import { Network, run, SCANNER, WATCHED } from "./network.ts";

const OTHER = "192.0.2.10";
const PORT = 8080;
const HOUR_MS = 3_600_000;

interface SetElement {
  elem?: { val: string; timeout?: number; expires?: number; comment?: string };
}

/** The elements of a set as nft lists them, without the mark that every set has. */
async function elements(network: Network, set: string): Promise<string[]> {
  const { stdout } = await network.onWatched(`nft -j list set inet portsentry ${set}`);
  const { nftables } = JSON.parse(stdout) as { nftables: { set?: { elem: unknown[] } }[] };
  const all = nftables.find(({ set }) => set)!.set!.elem as (string | SetElement)[];
  const hosts = all.filter((one) => typeof one === "string" || one.elem!.comment === undefined)
    .map((one) => typeof one === "string" ? one : one.elem!.val);
  assert.equal(all.length, hosts.length + 1, "the mark is there");
  return hosts;
}

/** Seconds until an element ends. */
async function secondsLeft(network: Network, set: string, host: string): Promise<number> {
  const { stdout } = await network.onWatched(`nft -j list set inet portsentry ${set}`);
  const { nftables } = JSON.parse(stdout) as { nftables: { set?: { elem: SetElement[] } }[] };
  const all = nftables.find(({ set }) => set)!.set!.elem;
  if (all.some((one) => (one as unknown) === host)) return Infinity;
  return all.find((one) => one.elem?.val === host)!.elem!.expires!;
}

/** What the scanner gets of a port that listens: an answer from it, or none. */
async function answer(network: Network, target: string, options = ""): Promise<string> {
  const version = target.includes(":") ? "-6" : "";
  const { stdout } = await network.nmap(`${version} -sS ${options} -p ${PORT} ${target}`);
  // A neighbour that is blocked is not even told where the target is, in IPv6.
  if (stdout.includes("(0 hosts up)")) return "filtered";
  return /^8080\/tcp (\w+)/m.exec(stdout)?.[1] ?? stdout;
}

/** Runs nft commands on the watched host, as somebody else. */
async function nft(network: Network, commands: string): Promise<string> {
  return (await network.onWatched(`nft ${commands}`)).stdout;
}

Deno.test("Firewall.block() drops a host's packets, unblock() lets them in, others never notice", async () => {
  await using network = await Network.create();
  await run(["ip", "-n", network.scanner, "addr", "add", `${OTHER}/24`, "dev", "eth0"]);
  await using _service = await network.listen(`tcp/::/${PORT}`);
  await using firewall = await FirewallProcess.start(network.watched);
  const answers = async () => [
    await answer(network, WATCHED.ipv4),
    await answer(network, WATCHED.ipv4, `-S ${OTHER} -e eth0`),
    await answer(network, WATCHED.ipv6),
  ];
  assert.deepEqual(await answers(), ["open", "open", "open"]);
  await firewall.call("block", [[SCANNER.ipv4, HOUR_MS]]);
  assert.deepEqual(await answers(), ["filtered", "open", "open"]);
  await firewall.call("block", [[SCANNER.ipv6, HOUR_MS]]);
  assert.deepEqual(await answers(), ["filtered", "open", "filtered"]);
  assert.match(
    await nft(network, "list chain inet portsentry prerouting"),
    /ip saddr @blocked4 counter packets [1-9]/,
  );
  await firewall.call("unblock", [SCANNER.ipv4, SCANNER.ipv6, "203.0.113.1", "2001:db8::/48"]);
  assert.deepEqual(await answers(), ["open", "open", "open"]);
});

Deno.test("a network of IPv6 is blocked as one, of any length, and its neighbour is not", async () => {
  await using network = await Network.create();
  await run([
    "ip",
    "-n",
    network.scanner,
    "addr",
    "add",
    "2001:db8::1:9/64",
    "dev",
    "eth0",
    "nodad",
  ]);
  await using _service = await network.listen(`tcp/::/${PORT}`);
  await using firewall = await FirewallProcess.start(network.watched);
  const answers = async () => [
    await answer(network, WATCHED.ipv6, `-S ${SCANNER.ipv6} -e eth0`),
    await answer(network, WATCHED.ipv6, "-S 2001:db8::1:9 -e eth0"),
  ];
  await firewall.call("block", [["2001:db8::/112", HOUR_MS]]);
  assert.deepEqual(await answers(), ["filtered", "open"]);
  // The length may change with the configuration, while blocks of the former one are in force.
  await firewall.call("block", [["2001:db8::1:0/112", 1500], ["2001:db8::/64", 1000]]);
  assert.deepEqual(await answers(), ["filtered", "filtered"]);
  await firewall.call("unblock", ["2001:db8::/112"]);
  await until(async () => (await answers()).join() === "open,open", "both networks are free");
  await firewall.call("restore", [["2001:db8::1:9/128", HOUR_MS], ["2001:db8:1::/56", HOUR_MS]]);
  assert.deepEqual(await answers(), ["open", "filtered"]);
  assert.equal((await firewall.call("holds", "2001:db8:1::/56")).value, true);
  assert.equal((await firewall.call("holds", "2001:db8::/64")).value, false);
  assert.deepEqual(firewall.told, []);
});

Deno.test("a block ends on its own after the process has died, and one without an end stays", async () => {
  await using network = await Network.create();
  await using firewall = await FirewallProcess.start(network.watched);
  await firewall.call("block", [[SCANNER.ipv4, 1500], ["2001:db8::9"], [OTHER, 1]]);
  assert.deepEqual(await elements(network, "blocked6"), ["2001:db8::9"]);
  await firewall.kill();
  assert.ok((await elements(network, "blocked4")).includes(SCANNER.ipv4));
  await until(
    async () => (await elements(network, "blocked4")).length === 0,
    "the block has ended",
  );
  assert.deepEqual(await elements(network, "blocked6"), ["2001:db8::9"]);
});

Deno.test("Firewall.block() gives a host that is blocked already the new time, longer or shorter", async () => {
  await using network = await Network.create();
  await using firewall = await FirewallProcess.start(network.watched, [[SCANNER.ipv4, 60_000]]);
  const left = () => secondsLeft(network, "blocked4", SCANNER.ipv4);
  assert.ok(await left() <= 60);
  await firewall.call("block", [[SCANNER.ipv4, HOUR_MS], [OTHER, 1000]]);
  assert.ok(await left() > 3500, `${await left()}`);
  await firewall.call("block", [[SCANNER.ipv4, 30_000]]);
  assert.ok(await left() <= 30, `${await left()}`);
  await firewall.call("block", [[SCANNER.ipv4]]);
  assert.equal(await left(), Infinity);
  await firewall.call("block", [[SCANNER.ipv4, 30_000]]);
  assert.ok(await left() <= 30, `${await left()}`);
});

Deno.test("Firewall.restore() takes 100,000 blocks, block() a thousand at once, and none is lost", async () => {
  await using network = await Network.create();
  await using firewall = await FirewallProcess.start(network.watched, [[SCANNER.ipv4, HOUR_MS]]);
  await firewall.call("blockMany", 1000);
  assert.equal((await elements(network, "blocked4")).length, 1001);
  await firewall.call("restoreMany", 100_000);
  assert.equal(new Set(await elements(network, "blocked4")).size, 100_000);
  assert.equal((await firewall.call("holds", "10.1.134.159")).value, true);
  assert.equal((await firewall.call("holds", SCANNER.ipv4)).value, false);
  await firewall.call("restore", []);
  assert.deepEqual(await elements(network, "blocked4"), []);
});

const DAMAGES: [name: string, commands: string, told: RegExp][] = [
  ["flush ruleset", "flush ruleset", /^The firewall's rules were deleted from outside: /],
  ["delete table", "delete table inet portsentry", /rules were deleted from outside/],
  ["flush chain", "flush chain inet portsentry prerouting", /rules were changed from outside/],
  ["delete rule", "delete rule inet portsentry prerouting handle HANDLE", /rules were changed/],
  [
    "replace rule",
    "replace rule inet portsentry prerouting handle HANDLE ip saddr 192.0.2.77 drop",
    /rules were changed/,
  ],
  ["insert rule", "insert rule inet portsentry prerouting accept", /rules were changed/],
  ["flush set", "flush set inet portsentry blocked4", /set blocked4 was flushed from outside/],
  ["flush another set", "flush set inet portsentry networks6_64", /set networks6_64 was flushed/],
  ["a dormant table", "add table inet portsentry { flags dormant; }", /rules were switched off/],
];

Deno.test("damage from outside is told and repaired with every block", async (test) => {
  await using network = await Network.create();
  const blocks = [[SCANNER.ipv4, HOUR_MS], ["2001:db8::/64"], [OTHER, 60_000]];
  for (const [name, commands, told] of DAMAGES) {
    await test.step(name, async () => {
      await using firewall = await FirewallProcess.start(network.watched, blocks);
      const chain = await nft(network, "-a -s list chain inet portsentry prerouting");
      const [, handle] = /@blocked4 counter drop # handle (\d+)/.exec(chain)!;
      const start = performance.now();
      await nft(network, commands.replace("HANDLE", handle));
      const [line] = await firewall.untilTold(1);
      assert.match(line, told);
      assert.match(line, /: the table inet portsentry has been made anew$/);
      assert.ok(performance.now() - start < 1000, `${performance.now() - start} ms`);
      assert.deepEqual(
        await nft(network, "-s list chain inet portsentry prerouting"),
        chain.replace(/ # handle \d+/g, ""),
      );
      assert.deepEqual((await elements(network, "blocked4")).toSorted(), [OTHER, SCANNER.ipv4]);
      assert.deepEqual(await elements(network, "networks6_64"), ["2001:db8::"]);
      assert.ok(await secondsLeft(network, "blocked4", OTHER) <= 60);
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.equal(firewall.told.length, 1, "told once");
    });
  }
});

Deno.test("a table that was saved and loaded again is made anew: its blocks are old", async () => {
  await using network = await Network.create();
  await using firewall = await FirewallProcess.start(network.watched);
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, `flush ruleset\n${await nft(network, "list ruleset")}`);
  await firewall.call("block", [[SCANNER.ipv4, HOUR_MS]]);
  await nft(network, `-f ${file}`);
  assert.match((await firewall.untilTold(1))[0], /rules were replaced from outside/);
  assert.deepEqual(await elements(network, "blocked4"), [SCANNER.ipv4]);
  await Deno.remove(file);
});

Deno.test("an element that somebody deletes by hand stays deleted, even the last one", async () => {
  await using network = await Network.create();
  await using firewall = await FirewallProcess.start(network.watched, [[SCANNER.ipv4, HOUR_MS]]);
  await nft(network, `delete element inet portsentry blocked4 { ${SCANNER.ipv4} }`);
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.deepEqual(firewall.told, []);
  assert.equal((await firewall.call("holds", SCANNER.ipv4)).value, false);
  await firewall.call("unblock", [SCANNER.ipv4]);
});

Deno.test("Firewall.block() and unblock() make a table anew that is gone, before the next look", async () => {
  await using network = await Network.create();
  await using firewall = await FirewallProcess.start(network.watched, [[SCANNER.ipv4, HOUR_MS]]);
  // Ahead of the look that follows the flush: in the one second after another look.
  for (const [name, argument] of [["block", [[OTHER, HOUR_MS]]], ["unblock", [OTHER]]] as const) {
    await nft(network, "add table ip others");
    await new Promise((resolve) => setTimeout(resolve, 200));
    const before = firewall.told.length;
    await nft(network, "flush ruleset");
    await firewall.call(name, argument);
    assert.match(firewall.told[before], /rules were deleted from outside/);
    assert.equal((await firewall.call("holds", OTHER)).value, name === "block");
    assert.equal((await firewall.call("holds", SCANNER.ipv4)).value, true);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    assert.equal(firewall.told.length, before + 1);
  }
});

Deno.test("others may change their rules all the time: the table is looked at and repaired", async () => {
  await using network = await Network.create();
  await using firewall = await FirewallProcess.start(network.watched, [[SCANNER.ipv4, HOUR_MS]]);
  const folder = await Deno.makeTempDir();
  const script =
    `while [ -e ${folder} ]; do nft add table ip others; nft delete table ip others; done`;
  const child = run(["ip", "netns", "exec", network.watched, "sh", "-c", script]);
  try {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.deepEqual(firewall.told, []);
    const start = performance.now();
    await nft(network, "flush set inet portsentry blocked4");
    await firewall.untilTold(1);
    assert.ok(performance.now() - start < 2000, `${performance.now() - start} ms`);
    assert.deepEqual(await elements(network, "blocked4"), [SCANNER.ipv4]);
  } finally {
    await Deno.remove(folder);
    await child;
  }
});

Deno.test("damage that the kernel could not tell, among too many changes, is repaired as well", async () => {
  await using network = await Network.create();
  await using firewall = await FirewallProcess.start(network.watched, [[SCANNER.ipv4, HOUR_MS]]);
  firewall.child.kill("SIGSTOP");
  await using other = new FirewallProcess(network.watched);
  await other.call("disturb", 1500);
  const { stdout } = await network.onWatched("cat /proc/net/netlink");
  const drops = stdout.split("\n").map((line) => line.trim().split(/\s+/))
    .filter(([, protocol, , groups]) => protocol === "12" && groups === "00000040")
    .map((fields) => Number(fields[8]));
  assert.equal(drops.length, 1, stdout);
  assert.ok(drops[0] > 0, stdout);
  firewall.child.kill("SIGCONT");
  await firewall.untilTold(1);
  assert.deepEqual(await elements(network, "blocked4"), [SCANNER.ipv4]);
});

Deno.test("tables of others stay as they are, byte for byte, through all of a firewall's life", async () => {
  await using network = await Network.create();
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(
    file,
    `table inet filter {
      set blocked4 { type ipv4_addr; flags timeout, interval; elements = { 203.0.113.0/24 } }
      chain prerouting { type filter hook prerouting priority raw; ip saddr @blocked4 drop; }
    }
    table ip portsentry {
      set blocked4 { type ipv4_addr; elements = { 203.0.113.1 }; }
    }
    table ip6 portsentry {
      chain prerouting { counter; }
    }
    `,
  );
  await nft(network, `-f ${file}`);
  await Deno.remove(file);
  const foreign = async () =>
    (await nft(network, "-a list ruleset")).replace(/^table inet portsentry \{.*?^\}\n/ms, "");
  const before = await foreign();
  const kept: string[] = [];
  for (const keep of [true, false]) {
    await using firewall = await FirewallProcess.start(network.watched, [[SCANNER.ipv4]]);
    await firewall.call("block", [[OTHER, HOUR_MS], ["2001:db8::/64", HOUR_MS]]);
    await nft(network, "delete table inet portsentry");
    await firewall.untilTold(1);
    await firewall.call("unblock", [SCANNER.ipv4, "2001:db8::/64"]);
    assert.equal(await foreign(), before);
    await firewall.call("close", keep);
    assert.equal(await foreign(), before);
    kept.push(await nft(network, "list tables inet"));
  }
  assert.deepEqual(kept, ["table inet filter\ntable inet portsentry\n", "table inet filter\n"]);
});

Deno.test("a batch with a fault changes nothing, and says what is wrong", async () => {
  await using network = await Network.create();
  await using firewall = await FirewallProcess.start(network.watched);
  assert.match(
    await firewall.failure("block", [[SCANNER.ipv4, HOUR_MS], ["192.0.2.9 }; flush ruleset", 1]]),
    /^RangeError: Cannot block "192\.0\.2\.9 }; flush ruleset": it is neither an address nor/,
  );
  assert.equal((await firewall.call("holds", SCANNER.ipv4)).value, false);
});

Deno.test("what the kernel refuses is told in one line, and the repair is tried again", async () => {
  await using network = await Network.create();
  await using firewall = await FirewallProcess.start(network.watched, [[SCANNER.ipv4, HOUR_MS]]);
  // A table of somebody's own is out of everybody else's reach.
  const owner = new Deno.Command("ip", {
    args: ["netns", "exec", network.watched, "nft", "-i"],
    stdin: "piped",
    stdout: "null",
  }).spawn();
  const input = owner.stdin.getWriter();
  await input.write(new TextEncoder().encode(
    "delete table inet portsentry; add table inet portsentry { flags owner; }\n",
  ));
  const [line] = await firewall.untilTold(1);
  assert.equal(
    line,
    "Cannot make the table inet portsentry anew: Could not process rule: Operation not permitted",
  );
  assert.match(
    await firewall.failure("block", [[OTHER, HOUR_MS]]),
    /^NftablesError: Could not process rule: Operation not permitted$/,
  );
  await new Promise((resolve) => setTimeout(resolve, 1200));
  assert.equal(firewall.told.length, 1, "told once");
  await input.close(); // its table goes with it
  await owner.status;
  assert.match((await firewall.untilTold(2))[1], /has been made anew$/);
  assert.deepEqual((await elements(network, "blocked4")).toSorted(), [OTHER, SCANNER.ipv4]);
});

Deno.test("Firewall.open() says what is missing", async (test) => {
  await using network = await Network.create();
  await test.step("CAP_NET_ADMIN", async () => {
    await using firewall = new FirewallProcess(network.watched, {
      wrapper: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
    });
    assert.equal(
      await firewall.failure("open"),
      "FirewallError: this run may not change the kernel's firewall: run it as root, or give it CAP_NET_ADMIN",
    );
  });
  await test.step("the permission for libnftables", async () => {
    await using firewall = new FirewallProcess(network.watched, {
      libraries: LIBRARIES.libc.paths,
    });
    assert.match(
      await firewall.failure("open"),
      /^LibraryError: this run may not open libnftables: allow it with --allow-ffi=\/usr\/lib/,
    );
  });
  assert.equal(await nft(network, "list ruleset"), "");
});

Deno.test("Firewall works for an unprivileged user that has CAP_NET_ADMIN", async () => {
  await using network = await Network.create();
  await using firewall = new FirewallProcess(network.watched, {
    wrapper: [
      ...["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
      ...["--inh-caps=+net_admin", "--ambient-caps=+net_admin"],
    ],
  });
  await firewall.call("open");
  await firewall.call("restore", [[SCANNER.ipv4, HOUR_MS]]);
  assert.equal((await firewall.call("restoreMany", 20_000)).value, null);
  assert.equal((await elements(network, "blocked4")).length, 20_000);
});
