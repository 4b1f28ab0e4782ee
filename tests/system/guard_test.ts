/**
 * LOCKOUT_GUARD against packets that claim to come from whom this host cannot do without.
 */
import assert from "node:assert/strict";
import { ethernet, ipv4, ipv6, tcp } from "../frames.ts";
import { Network, run, SCANNER, WATCHED, words } from "./network.ts";
import { eventLine, Program } from "./program.ts";

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
function holdConnection(network: Network, host: string): Deno.ChildProcess {
  return new Deno.Command("ip", {
    args: [
      ...words(`netns exec ${network.scanner} perl -MIO::Socket::IP -e`),
      "my $s = IO::Socket::IP->new(PeerHost => $ARGV[0], PeerPort => $ARGV[1]) or die; sleep 60",
      host,
      String(SERVICE),
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
