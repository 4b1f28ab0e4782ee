import assert from "node:assert/strict";
import { FirewallProcess } from "./firewall_process.ts";
import { elements, nft, secondsLeft } from "./firewall_tools.ts";
import { Network, run, SCANNER } from "./network.ts";

const OTHER = "192.0.2.10";
const HOUR_MS = 3_600_000;

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
