/**
 * LOCKOUT_GUARD against packets that claim to come from whom this host cannot do without.
 */
import assert from "node:assert/strict";
import { ethernet, ipv4, ipv6, tcp } from "../frames.ts";
import { Network, run, SCANNER, WATCHED, words } from "./network.ts";
import { eventLine, Program } from "./program.ts";
import { blocked, Shared } from "./shared_state.ts";

const SERVICE = 2222;
const BLOCKED = ["false", "true", "false", "true"];
const SPARED = ["true", "unset", "unset", "unset"];

/** Addresses of the four kinds, by IP version. */
const HOSTS = {
  4: {
    own: [192, 0, 2, 1],
    gateway: [192, 0, 2, 254],
    resolver: [203, 0, 113, 53],
    peer: [192, 0, 2, 9],
    stranger: [198, 51, 100, 7],
  },
  6: {
    own: "2001:db8::1",
    gateway: "2001:db8::fe",
    resolver: "2001:db8:53::53",
    peer: "2001:db8::9",
    stranger: "2001:db8:bad::7",
  },
} as const;

const textOf = (address: readonly number[] | string) =>
  typeof address === "string" ? address : address.join(".");

/** A SYN to port 23 that claims to come from a host. */
function forged(address: readonly number[] | string): Uint8Array {
  if (typeof address !== "string") {
    return ethernet(ipv4(tcp({ port: 23 }), { source: [...address] }));
  }
  return ethernet(ipv6(tcp({ port: 23 }), { source: bytesOf(address) }), 0x86dd);
}

function bytesOf(address: string): number[] {
  const [left, right] = address.split("::").map((half) => half.split(":").filter((group) => group));
  const groups = [...left, ...Array(8 - left.length - right.length).fill("0"), ...right];
  return groups.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]);
}

/** A connection that stays, from the scanning host to a service of the watched one. */
function holdConnection(network: Network, host: string, port = SERVICE): Deno.ChildProcess {
  return new Deno.Command("ip", {
    args: [
      ...words(`netns exec ${network.scanner} perl -MIO::Socket::IP -e`),
      "my $s = IO::Socket::IP->new(PeerHost => $ARGV[0], PeerPort => $ARGV[1]) or die; sleep 60",
      host,
      String(port),
    ],
    stdin: "null",
  }).spawn();
}

for (const version of [4, 6] as const) {
  Deno.test(`LOCKOUT_GUARD spares whom this host needs, over IPv${version}, and nobody else`, async () => {
    await using network = await Network.create();
    const hosts = HOSTS[version];
    const family = version === 6 ? "-6 " : "";
    await run(
      words(`ip ${family}-n ${network.watched} route add default via ${textOf(hosts.gateway)}`),
    );
    await using _service = await network.listen(`tcp/::/${SERVICE}`);
    const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
    Deno.writeTextFileSync(`${folder}/resolv.conf`, `nameserver ${textOf(hosts.resolver)}\n`);
    const connection = holdConnection(network, version === 4 ? WATCHED.ipv4 : WATCHED.ipv6);
    try {
      await using program = await Program.start({
        config:
          `TCP_PORTS="1-1024"\nBLOCK_TCP="1"\nFIREWALL="nftables"\nSTATE_FILE="FOLDER/state.db"
                 CONTROL_SOCKET="FOLDER/control.sock"`,
        namespace: network.watched,
        wrapper: [
          ...["sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"'],
          `${folder}/resolv.conf`,
        ],
        args: ["-L"],
      });
      const { stranger, ...spared } = hosts;
      const options = version === 4 ? "not set" : "unknown";
      for (const host of [...Object.values(spared), stranger]) {
        await network.inject([forged(host)]);
      }
      const lines = await program.events(5);
      assert.deepEqual(lines, [
        ...Object.values(spared).map((host) =>
          eventLine({ source: textOf(host), port: 23, options, flags: SPARED })
        ),
        eventLine({ source: textOf(stranger), port: 23, options, flags: BLOCKED }),
      ]);
      for (
        const [host, reason] of [
          [spared.own, "is an address of this host"],
          [spared.gateway, "is a default gateway"],
          [spared.resolver, "is a name server of this host"],
          [spared.peer, `has a TCP connection to a service of this host (port ${SERVICE})`],
        ] as const
      ) {
        const text = `attackalert: Host: ${
          textOf(host)
        } ${reason}, aborting actions (LOCKOUT_GUARD)`;
        assert.ok(program.stdout.includes(`${text}\n`), `${text}\n---\n${program.stdout}`);
      }
      const { stdout } = await program.command("blocked", "--json");
      assert.equal(JSON.parse(stdout).blocked.length, 1);
    } finally {
      connection.kill("SIGKILL");
      await connection.status;
      Deno.removeSync(folder, { recursive: true });
    }
  });
}

Deno.test("LOCKOUT_GUARD in connect mode spares who is connected to a service among the watched ports", async () => {
  await using network = await Network.create();
  await using _service = await network.listen("tcp/::/22");
  const connection = holdConnection(network, WATCHED.ipv4, 22);
  try {
    await untilConnected(network, 22);
    await using program = await Program.start({
      config: `TCP_PORTS="20-30"\nUDP_PORTS="53"\nBLOCK_TCP="1"\nBLOCK_UDP="1"\n` +
        `FIREWALL="nftables"\nSTATE_FILE="FOLDER/state.db"\nCONTROL_SOCKET="FOLDER/c"`,
      namespace: network.watched,
      args: ["--connect"],
    });
    assert.match(program.stderr, /Not watching TCP port 22: /);
    for (const reloads of [0, 1]) {
      if (reloads > 0) assert.equal((await program.command("reload")).code, 0);
      await network.nmap(`-sT -p 23 ${WATCHED.ipv4}`);
      const [line] = (await program.events(reloads + 1)).slice(-1);
      assert.match(line, /port: \[23\] .* ignored: \[true\]/);
    }
  } finally {
    connection.kill("SIGKILL");
    await connection.status;
  }
});

Deno.test("LOCKOUT_GUARD spares 0.0.0.0 and ::, which hosts without an address send from", async () => {
  await using network = await Network.create();
  await using program = await Program.start({
    config: `TCP_PORTS="1-1024"\nBLOCK_TCP="1"\nFIREWALL="nftables"\nSTATE_FILE="FOLDER/state.db"`,
    namespace: network.watched,
  });
  await network.inject([forged([0, 0, 0, 0]), forged("::")]);
  assert.deepEqual(await program.events(2), [
    eventLine({ source: "0.0.0.0", port: 23, flags: SPARED }),
    eventLine({ source: "::", port: 23, options: "unknown", flags: SPARED }),
  ]);
});

Deno.test("LOCKOUT_GUARD lifts the block of a host that this one cannot do without any more", async () => {
  await using network = await Network.create();
  const { watched } = network;
  await using _service = await network.listen(`tcp/::/${SERVICE}`);
  using shared = new Shared(network);
  const become = [
    `ip -n ${watched} route add default via 192.0.2.254`,
    `ip -n ${watched} addr add 203.0.113.1/32 dev lo`,
    `ip -n ${watched} addr add 2001:db8:7::1/128 dev lo nodad`,
  ];
  const hosts = ["192.0.2.254", "203.0.113.1", "2001:db8:7::9", SCANNER.ipv4, "198.51.100.7"];
  let connection: Deno.ChildProcess | undefined;
  try {
    {
      await using program = await shared.start('FIREWALL_KEEP="0"');
      for (const host of hosts) await program.command("block", host);
      assert.equal((await blocked(program)).length, 5);
      await program.stop();
    }
    // What may be otherwise after a start: here two hosts, and while it runs the third.
    for (const command of become.slice(0, 2)) await run(words(command));
    connection = holdConnection(network, WATCHED.ipv4);
    await untilConnected(network);
    await using program = await shared.start();
    assert.deepEqual((await blocked(program)).map(({ host }) => host).sort(), [
      "198.51.100.7",
      "2001:db8:7::/64",
    ]);
    await run(words(become[2]));
    await program.until(
      () => program.stdout.includes("Host 2001:db8:7::/64 is not blocked any more"),
      "the network that holds an address of this host is let go",
    );
    assert.deepEqual((await blocked(program)).map(({ host }) => host), ["198.51.100.7"]);
    for (const host of ["192.0.2.254", "203.0.113.1", SCANNER.ipv4]) {
      const told = `Host ${host} is not blocked any more: ` +
        "this host cannot do without it (LOCKOUT_GUARD)\n";
      assert.ok(program.stdout.includes(told), `${told}\n---\n${program.stdout}`);
    }
    const { stdout } = await network.onWatched("nft list table inet portsentry");
    assert.match(stdout, /198\.51\.100\.7/);
    assert.doesNotMatch(stdout, /192\.0\.2\.|203\.0\.113\.1|2001:db8:7/);
  } finally {
    connection?.kill("SIGKILL");
    await connection?.status;
  }
});

async function untilConnected(network: Network, port = SERVICE): Promise<void> {
  const deadline = performance.now() + 10_000;
  while ((await network.onWatched(`ss -Htn state established sport = :${port}`)).stdout === "") {
    assert.ok(performance.now() < deadline, "nobody connects");
  }
}

Deno.test("LOCKOUT_GUARD=0 spares nobody but whom the ignore file names", async () => {
  await using network = await Network.create();
  await run(words(`ip -n ${network.watched} route add default via ${SCANNER.ipv4}`));
  await using program = await Program.start({
    config: `TCP_PORTS="1-1024"\nBLOCK_TCP="1"\nFIREWALL="nftables"\nSTATE_FILE="FOLDER/state.db"
             LOCKOUT_GUARD="0"`,
    namespace: network.watched,
  });
  await network.nmap(`-sS -p 23 ${WATCHED.ipv4}`);
  assert.deepEqual(await program.events(1), [
    eventLine({ source: SCANNER.ipv4, port: 23, flags: BLOCKED }),
  ]);
});
