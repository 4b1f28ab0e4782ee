import assert from "node:assert/strict";
import { LIBRARIES } from "../../ffi/libraries.ts";
import { FirewallProcess, until } from "./firewall_process.ts";
import { elements, nft, secondsLeft } from "./firewall_tools.ts";
import { Network, run, SCANNER, WATCHED, words } from "./network.ts";

const OTHER = "192.0.2.10";
const PORT = 8080;
const HOUR_MS = 3_600_000;

/** What the scanner gets of a port that listens: an answer from it, or none. */
async function answer(network: Network, target: string, options = ""): Promise<string> {
  const version = target.includes(":") ? "-6" : "";
  const { stdout } = await network.nmap(`${version} -sS ${options} -p ${PORT} ${target}`);
  // A neighbour that is blocked is not even told where the target is, in IPv6.
  if (stdout.includes("(0 hosts up)")) return "filtered";
  return /^8080\/tcp (\w+)/m.exec(stdout)?.[1] ?? stdout;
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
  assert.equal((await firewall.call("holds", "10.1.134.159")).value, true);
  assert.equal((await firewall.call("holds", SCANNER.ipv4)).value, false);
  // While the kernel enlarges the set's table, a list has some elements twice in the place of others.
  await until(
    async () => new Set(await elements(network, "blocked4")).size === 100_000,
    "the kernel lists 100,000 elements",
  );
  await firewall.call("restore", []);
  assert.deepEqual(await elements(network, "blocked4"), []);
});

/** Sends 10,000 datagrams a second at most, for a minute at most; says when it begins. */
const SENDER =
  `$s = IO::Socket::INET->new(Proto => "udp", PeerHost => "${WATCHED.ipv4}", PeerPort => 9);
  alarm 60; syswrite(STDOUT, "sending");
  for (;;) { $s->send("x"); select(undef, undef, undef, 0.00005) }`;

Deno.test("no packet of a blocked host gets through while Firewall.restore() puts blocks back", async () => {
  await using network = await Network.create();
  const blocks: [string, number][] = Array.from({ length: 30_000 }, (_, i) => [
    `10.0.${i >> 8}.${i & 255}`,
    HOUR_MS,
  ]);
  blocks.push([SCANNER.ipv4, HOUR_MS]);
  await using first = await FirewallProcess.start(network.watched, blocks);
  await first.kill();
  // What gets through is counted behind the place where portsentry drops.
  await nft(
    network,
    "add table ip counting { chain in { type filter hook prerouting priority 0; ip saddr " +
      `${SCANNER.ipv4} udp dport 9 counter; }; }`,
  );
  const sender = new Deno.Command("ip", {
    args: [...words(`netns exec ${network.scanner} perl -MIO::Socket::INET -e`), SENDER],
    stdout: "piped",
  }).spawn();
  await sender.stdout.getReader().read();
  await using second = new FirewallProcess(network.watched);
  await second.call("open");
  for (let i = 0; i < 5; i++) await second.call("restore", blocks);
  sender.kill("SIGKILL");
  await sender.status;
  const dropped = await nft(network, "list chain inet portsentry prerouting");
  assert.match(dropped, /@blocked4 counter packets [1-9]/);
  assert.match(await nft(network, "list table ip counting"), /counter packets 0 bytes 0/);
  assert.deepEqual(second.told, []);
});

Deno.test("Firewall.restore() leaves nothing in the table that is not of its blocks", async () => {
  await using network = await Network.create();
  const before: [string, number][] = [[OTHER, HOUR_MS], ["2001:db8::/56", HOUR_MS]];
  await using first = await FirewallProcess.start(network.watched, before);
  await first.kill();
  await using _second = await FirewallProcess.start(network.watched, [["2001:db8::/64", HOUR_MS]]);
  assert.deepEqual(
    (await nft(network, "list sets table inet portsentry")).match(/(?<=\tset )\w+/g),
    ["blocked4", "blocked6", "networks6_64"],
  );
  assert.deepEqual(await elements(network, "blocked4"), []);
  const chain = await nft(network, "list chain inet portsentry prerouting");
  assert.equal(chain.match(/ counter packets /g)?.length, 3);
});

Deno.test("Firewall.restore() makes its table of one that somebody has made otherwise", async () => {
  await using network = await Network.create();
  await nft(
    network,
    "add table inet portsentry { set blocked4 { type ipv6_addr; }; " +
      "chain prerouting { type filter hook input priority 5; }; }",
  );
  await using _firewall = await FirewallProcess.start(network.watched, [[SCANNER.ipv4, HOUR_MS]]);
  assert.deepEqual(await elements(network, "blocked4"), [SCANNER.ipv4]);
  assert.match(
    await nft(network, "list chain inet portsentry prerouting"),
    /hook prerouting priority raw - 10;/,
  );
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

Deno.test("Firewall works in a container that has users of its own, with more blocks than one message may have", async () => {
  await using network = await Network.create();
  await using firewall = new FirewallProcess(network.watched, {
    wrapper: ["unshare", "--user", "--map-root-user", "--net"],
  });
  const inside = (...command: string[]) =>
    run([
      "nsenter",
      "-t",
      `${firewall.child.pid}`,
      "-U",
      "-n",
      "--preserve-credentials",
      ...command,
    ]);
  await firewall.call("open");
  await firewall.call("restoreMany", 5000);
  assert.equal((await firewall.call("holds", "10.0.19.135")).value, true);
  // What gets through of a blocked host is counted behind the place where portsentry drops.
  await inside("ip", "link", "set", "lo", "up");
  await inside(
    "nft",
    "add table ip counting { chain in { type filter hook prerouting priority 0; ip saddr 10.0.0.9 counter; }; }",
  );
  await inside("ip", "addr", "add", "10.0.0.9/32", "dev", "lo");
  const sender = new Deno.Command("nsenter", {
    args: [
      ...["-t", `${firewall.child.pid}`, "-U", "-n", "--preserve-credentials"],
      ...["perl", "-MIO::Socket::INET", "-e"],
      '$s=IO::Socket::INET->new(Proto=>"udp",LocalAddr=>"10.0.0.9",PeerAddr=>"127.0.0.1",PeerPort=>9);' +
      'for(1..400000){$s->send("x");select(undef,undef,undef,0.00005)}',
    ],
    stdin: "null",
  }).spawn();
  // More bytes than a send buffer may have, which is twice net.core.wmem_max: a block takes 28, and
  // twice or three times as many to be lifted or renewed.
  const { stdout: bound } = await run(["sysctl", "-n", "net.core.wmem_max"]);
  const count = Math.ceil(Number(bound) * 2 / 28 * 1.1);
  const last = lastOf(count);
  await firewall.call("restoreMany", count);
  sender.kill();
  await sender.status;
  assert.equal((await firewall.call("holds", last)).value, true);
  const { stdout } = await inside("nft", "list", "chain", "inet", "portsentry", "prerouting");
  assert.deepEqual(stdout.match(/@\w+ counter packets/g), [
    "@blocked4 counter packets",
    "@blocked6 counter packets",
  ]);
  assert.match(
    (await inside("nft", "list", "table", "ip", "counting")).stdout,
    /packets 0 bytes 0/,
  );
  await firewall.call("blockMany", Math.ceil(count / 3));
  assert.equal((await firewall.call("holds", last)).value, true);
  await firewall.call("unblockMany", Math.ceil(count / 2));
  assert.equal((await firewall.call("holds", "10.0.0.9")).value, false);
  assert.equal((await firewall.call("holds", last)).value, true);
});

/** The last of so many hosts of firewall_host.ts. */
function lastOf(count: number): string {
  const i = count - 1;
  return `10.${i >> 16}.${i >> 8 & 255}.${i & 255}`;
}

Deno.test("Firewall restores more blocks than the kernel has room for answers", async () => {
  await using network = await Network.create();
  await using firewall = new FirewallProcess(network.watched);
  await firewall.call("open");
  await firewall.call("restoreMany", 300_000);
  assert.equal((await firewall.call("holds", "10.4.147.223")).value, true);
});
