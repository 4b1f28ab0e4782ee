/**
 * FIREWALL="nftables" with the real kernel: what is blocked, for how long, and what is never.
 */
import assert from "node:assert/strict";
import { addressText, MARK } from "../../src/response/firewall_table.ts";
import type { BlockRecord } from "../../src/state/state_file.ts";
import { parseNetwork } from "../../src/config/network.ts";
import { ethernet, ipv4, ipv6, tcp } from "../frames.ts";
import { Network, run, SCANNER, WATCHED, words } from "./network.ts";
import { eventLine, Program, type ProgramOptions } from "./program.ts";

const CONFIG = `TCP_PORTS="1-1024"
UDP_PORTS="1-1024"
BLOCK_TCP="1"
FIREWALL="nftables"
STATE_FILE="FOLDER/state.db"
CONTROL_SOCKET="FOLDER/control.sock"
`;
const MARKS = Object.values(MARK).map(({ key }) => addressText(key));
const BLOCKED = ["false", "true", "false", "true"];
const OTHER = "192.0.2.77"; // of the scanning host, too
const SERVICE = 2222;

function start(network: Network, config = "", options: ProgramOptions = {}): Promise<Program> {
  return Program.start({ config: CONFIG + config, namespace: network.watched, ...options });
}

const probe = (network: Network, port = 23, host: string = WATCHED.ipv4) =>
  network.nmap(`-sS -p ${port} ${host.includes(":") ? "-6 " : ""}${host}`);

/** Whether a TCP connection to the service comes about within a second. */
async function reaches(
  network: Network,
  from: string,
  to: string = WATCHED.ipv4,
): Promise<boolean> {
  const { code } = await run([
    ...words(`ip netns exec ${network.scanner} perl -MIO::Socket::IP -e`),
    "exit !IO::Socket::IP->new(PeerHost => $ARGV[0], PeerPort => $ARGV[1], LocalHost => $ARGV[2], " +
    "Timeout => 0.7)",
    ...[to, String(SERVICE), from],
  ], { mayFail: true });
  return code === 0;
}

async function until(holds: () => Promise<boolean>, limitMs: number): Promise<number> {
  const begin = performance.now();
  while (!await holds()) assert.ok(performance.now() - begin < limitMs, `not in ${limitMs} ms`);
  return performance.now() - begin;
}

/** Hosts in a set of ours in the kernel. */
async function inKernel(network: Network, set = "blocked4"): Promise<string[]> {
  const { stdout } = await network.onWatched(`nft -j list set inet portsentry ${set}`);
  const { nftables } = JSON.parse(stdout);
  const found = nftables.find((one: { set?: unknown }) => one.set).set.elem ?? [];
  return found.map((one: { elem?: { val: string } } | string) =>
    typeof one === "string" ? one : one.elem!.val
  ).filter((host: string) => !MARKS.includes(host)).sort();
}

async function withService(
  use: (network: Network) => Promise<void>,
): Promise<void> {
  await using network = await Network.create();
  await run(words(`ip -n ${network.scanner} addr add ${OTHER}/24 dev eth0`));
  await using _service = await network.listen(`tcp/::/${SERVICE}`);
  await use(network);
}

Deno.test("FIREWALL: one probe closes a service to its host alone, until BLOCK_TIME is over", async () => {
  await withService(async (network) => {
    await using program = await start(network, 'BLOCK_TIME="3s"');
    assert.ok(await reaches(network, SCANNER.ipv4));
    await probe(network);
    assert.deepEqual(await program.events(1), [
      eventLine({ source: SCANNER.ipv4, port: 23, flags: BLOCKED }),
    ]);
    assert.match(
      program.stdout,
      /attackalert: Host 192\.0\.2\.9 has been blocked via nftables for 3s\n/,
    );
    assert.ok(!await reaches(network, SCANNER.ipv4));
    assert.ok(await reaches(network, OTHER));
    await until(() => reaches(network, SCANNER.ipv4), 6000);
    assert.deepEqual(await inKernel(network), []);
  });
});

Deno.test("FIREWALL: a scan of many ports is one block, told once", async () => {
  await using network = await Network.create();
  await using program = await start(network);
  await network.inject(
    Array.from({ length: 100 }, (_, i) => ethernet(ipv4(tcp({ port: 100 + i })))),
  );
  const lines = await program.events(100);
  assert.ok(lines.every((line) => line.endsWith("blocked: [true]")));
  assert.equal(program.stdout.match(/has been blocked via nftables/g)?.length, 1);
});

Deno.test("FIREWALL: a host that comes back is blocked for longer, also after a restart", async () => {
  await using network = await Network.create();
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  const shared = { permissions: [`--allow-read=${folder}`, `--allow-write=${folder}`] };
  const config = `TCP_PORTS="1-1024"\nBLOCK_TCP="1"\nFIREWALL="nftables"\n` +
    `STATE_FILE="${folder}/state.db"\nBLOCK_TIME="1s"\nBLOCK_TIME_GROWTH="3"\nBLOCK_TIME_MAX="5s"`;
  try {
    for (const time of ["1s", "3s", "5s"]) {
      await using program = await Program.start({ config, namespace: network.watched, ...shared });
      await until(async () => (await inKernel(network)).length === 0, 7000);
      await probe(network);
      await program.until(
        () => program.stdout.includes(`has been blocked via nftables for ${time}\n`),
        `the block is for ${time}`,
      );
      assert.equal(await program.stop(), 0);
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("FIREWALL_KEEP: blocks stay when the program ends, or go with it", async () => {
  await using network = await Network.create();
  for (const [keep, after] of [["1", [SCANNER.ipv4]], ["0", []]] as const) {
    await using program = await start(network, `FIREWALL_KEEP="${keep}"`);
    await probe(network);
    await program.events(1);
    assert.deepEqual(await inKernel(network), [SCANNER.ipv4]);
    assert.equal(await program.stop(), 0);
    if (after.length > 0) assert.deepEqual(await inKernel(network), after);
    else assert.equal((await network.onWatched("nft list tables")).stdout, "");
    await network.onWatched("nft flush ruleset");
  }
});

Deno.test("FIREWALL: state, kernel and memory agree after kill -9 in the middle of 1,000 blocks", async () => {
  await using network = await Network.create();
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  const shared = { permissions: [`--allow-read=${folder}`, `--allow-write=${folder}`] };
  const config = CONFIG.replaceAll("FOLDER", folder);
  const frames = Array.from(
    { length: 1000 },
    (_, i) => ethernet(ipv4(tcp({ port: 23 }), { source: [10, 9, i >> 8, i & 0xff] })),
  );
  try {
    {
      await using first = await Program.start({ config, namespace: network.watched, ...shared });
      const injected = network.inject(frames);
      await first.until(() => /blocked via nftables/.test(first.stdout), "the first is blocked");
      first.child.kill("SIGKILL");
      await first.ended();
      await injected;
      assert.ok((await inKernel(network)).length > 0);
    }
    await using second = await Program.start({ config, namespace: network.watched, ...shared });
    const { blocked } = JSON.parse((await second.command("blocked", "--json")).stdout);
    const inMemory = blocked.map(({ host }: BlockRecord) => host).sort();
    assert.ok(inMemory.length > 0);
    assert.deepEqual(await inKernel(network), inMemory);
    await network.inject(frames);
    await second.until(
      () => second.stdout.split("blocked: [true]").length > 1000,
      "all are blocked",
      20_000,
    );
    assert.equal((await inKernel(network)).length, 1000);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

for (
  const [what, flush] of [
    ["flush ruleset", "flush ruleset"],
    ["a deleted table", "delete table inet portsentry"],
    ["a flushed set", "flush set inet portsentry blocked4"],
  ]
) {
  Deno.test(`FIREWALL: ${what} by somebody else is noticed, told and repaired`, async () => {
    await withService(async (network) => {
      await using program = await start(network);
      await probe(network);
      await program.events(1);
      await network.onWatched(`nft ${flush}`);
      await until(async () => !await reaches(network, SCANNER.ipv4), 5000);
      await program.until(() => program.stderr !== "", "the repair is told");
      assert.deepEqual(await inKernel(network), [SCANNER.ipv4]);
    });
  });
}

Deno.test("FIREWALL: a probe over IPv6 closes the service to its /64, and to no other", async () => {
  await withService(async (network) => {
    for (const address of ["2001:db8:1::9", "2001:db8:1::8", "2001:db8:2::8"]) {
      await run(words(`ip -n ${network.scanner} addr add ${address}/64 dev eth0 nodad`));
    }
    await run(words(`ip -n ${network.watched} route add 2001:db8:1::/48 dev eth0`));
    await run(words(`ip -n ${network.watched} route add 2001:db8:2::/48 dev eth0`));
    await using program = await start(network);
    await network.nmap(`-6 -sS -S 2001:db8:1::9 -e eth0 -p 23 ${WATCHED.ipv6}`);
    await program.events(1);
    assert.match(
      program.stdout,
      /Host 2001:db8:1::9 has been blocked via nftables for 1h, with 2001:db8:1::\/64\n/,
    );
    assert.ok(!await reaches(network, "2001:db8:1::8", WATCHED.ipv6));
    assert.ok(await reaches(network, "2001:db8:2::8", WATCHED.ipv6));
    assert.deepEqual((await program.command("unblock", "2001:db8:1::8")).code, 0);
    assert.ok(await reaches(network, "2001:db8:1::8", WATCHED.ipv6));
  });
});

Deno.test("FIREWALL: of this host's own /64 the one address is blocked", async () => {
  await withService(async (network) => {
    await using program = await start(network);
    await probe(network, 23, WATCHED.ipv6);
    await program.events(1);
    assert.deepEqual(await inKernel(network, "blocked6"), [SCANNER.ipv6]);
    const { stdout } = await network.onWatched("nft list table inet portsentry");
    assert.doesNotMatch(stdout, /networks6/);
  });
});

Deno.test("FIREWALL: of a /64 with a host of the ignore file the one address is blocked", async () => {
  await using network = await Network.create();
  await using program = await start(network, 'IGNORE_FILE="FOLDER/ignore"\n', {
    files: {
      ignore: new TextEncoder().encode(
        "2001:db8:5::10\n2001:db8:6::10 tcp/22\n2001:db8:7::/48 tcp/22\n* tcp/113\n",
      ),
    },
  });
  for (const host of ["2001:db8:5::9", "2001:db8:6::9", "2001:db8:7::9", "2001:db8:8::9"]) {
    await network.inject([forgedIpv6(host)]);
  }
  await program.events(4);
  const { stdout } = await program.command("blocked", "--json");
  const hosts = JSON.parse(stdout).blocked.map(({ host }: BlockRecord) => host).sort();
  assert.deepEqual(hosts, [
    "2001:db8:5::9",
    "2001:db8:6::9",
    "2001:db8:7::/64",
    "2001:db8:8::/64",
  ]);
});

/** A SYN to port 23 that claims to come from a host. */
function forgedIpv6(host: string): Uint8Array {
  const source = [...parseNetwork(host)!.address];
  return ethernet(ipv6(tcp({ port: 23 }), { source }), 0x86dd);
}

Deno.test("FIREWALL and KILL_ROUTE: both act, and the kernel does not wait for the command", async () => {
  await withService(async (network) => {
    await using program = await start(
      network,
      'KILL_ROUTE="sleep 20; echo $TARGET$"\nBLOCKED_FILE="FOLDER/blocked"',
      { permissions: ["--allow-run=/bin/sh"] },
    );
    await probe(network);
    assert.deepEqual(await program.events(1), [
      eventLine({ source: SCANNER.ipv4, port: 23, flags: BLOCKED }),
    ]);
    assert.ok(!await reaches(network, SCANNER.ipv4));
    const begin = performance.now();
    assert.equal(await program.stop(), 0);
    assert.ok(performance.now() - begin < 1500);
  });
});

Deno.test("FIREWALL and KILL_ROUTE: a scan summary says blocked of whom the route still keeps out", async () => {
  await using network = await Network.create();
  await using program = await start(
    network,
    'SCAN_WINDOW="3s"\nBLOCK_TIME="1s"\nKILL_ROUTE="true $TARGET$"\n',
    { permissions: ["--allow-run=/bin/sh"] },
  );
  await network.nmap(`-sS -p 20-29 ${WATCHED.ipv4}`);
  await program.until(() => /Scan summary: /.test(program.stdout), "the scan is summed up");
  assert.deepEqual(await inKernel(network), []);
  assert.match(program.stdout, /^Scan summary: .* blocked: \[true\]/m);
});

Deno.test("DRY_RUN tells what would be done, and does none of it", async () => {
  await withService(async (network) => {
    await using program = await start(
      network,
      'DRY_RUN="1"\nKILL_RUN_CMD="touch FOLDER/ran"\nBLOCKED_FILE="FOLDER/blocked"',
      { permissions: ["--allow-run=/bin/sh"] },
    );
    await probe(network);
    await probe(network, 24);
    assert.deepEqual(
      await program.events(2),
      [23, 24].map((port) =>
        eventLine({ source: SCANNER.ipv4, port, flags: ["false", "true", "false", "false"] })
      ),
    );
    const told = program.stdout.split("\n").filter((line) => line.includes("DRY_RUN"));
    assert.deepEqual(told, [
      `attackalert: DRY_RUN: would block host ${SCANNER.ipv4} via nftables for 1h`,
      `attackalert: DRY_RUN: would run for host ${SCANNER.ipv4} the command: ` +
      `"touch ${program.folder}/ran"`,
    ]);
    assert.ok(await reaches(network, SCANNER.ipv4));
    assert.equal((await network.onWatched("nft list tables")).stdout, "");
    const files = [...Deno.readDirSync(program.folder)].map(({ name }) => name);
    // What was seen is counted in the state file; nobody is blocked there.
    assert.deepEqual(files.filter((name) => !name.startsWith("state.db")).sort(), [
      "control.sock",
      "portsentry.conf",
    ]);
  });
});

Deno.test("DRY_RUN or no FIREWALL in a reload leaves blocks in force, and says so", async () => {
  await using network = await Network.create();
  await using program = await Program.start({ config: CONFIG, namespace: network.watched });
  const file = `${program.folder}/portsentry.conf`;
  const config = Deno.readTextFileSync(file);
  await program.command("block", SCANNER.ipv4);
  const stay =
    "1 blocks stay in force until their time is over: to lift them, set FIREWALL without " +
    "DRY_RUN again, and unblock them\n";
  const others = [
    `${config}\nDRY_RUN="1"\n`,
    config.replace(/^FIREWALL=.*$/m, "").replace(/^BLOCK_TCP=.*$/m, ""),
  ];
  for (const [i, other] of others.entries()) {
    Deno.writeTextFileSync(file, other);
    assert.equal((await program.command("reload")).code, 0);
    const { code, stdout, stderr } = await program.command("blocked");
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, i === 0 ? /DRY_RUN is set: .* blocks from before last/ : /no firewall/);
    await program.until(() => program.stdout.split(stay).length === i + 2, "it is told");
    const { stdout: table } = await network.onWatched("nft list table inet portsentry");
    assert.ok(table.includes(SCANNER.ipv4));
    Deno.writeTextFileSync(file, config);
    await program.command("reload");
  }
  const { stdout } = await program.command("unblock", "--all");
  assert.equal(stdout, `${SCANNER.ipv4} is not blocked any more\n`);
});

Deno.test("FIREWALL without the right to use it is refused at the start", async () => {
  await using network = await Network.create();
  await using program = Program.spawn({
    config: CONFIG,
    namespace: network.watched,
    wrapper: words("setpriv --bounding-set=-net_admin --inh-caps=-net_admin"),
  });
  assert.equal(await program.ended(), 1);
  assert.match(program.stderr, /portsentry\.conf: FIREWALL="nftables": .*CAP_NET_ADMIN/);
  assert.equal(program.stderr.trim().split("\n").length, 1);
});
