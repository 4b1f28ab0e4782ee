import assert from "node:assert/strict";
import { LIBRARIES } from "../../ffi/libraries.ts";
import { wait } from "./connect_mode.ts";
import { Network, run, SCANNER, WATCHED, words } from "./network.ts";

const GUARD = new URL("./guard.ts", import.meta.url).pathname;
const CONNECTION = new URL("./connection.ts", import.meta.url).pathname;
const WITHOUT_FAMILY = new URL("./without_family.ts", import.meta.url).pathname;
const AF_NETLINK = 16;
const WITHOUT_NETLINK = words(
  `${Deno.execPath()} run -A --no-prompt ${WITHOUT_FAMILY} ${AF_NETLINK}`,
);
const OWN = "is an address of this host";
const GATEWAY = "is a default gateway";
const NAME_SERVER = "is a name server of this host";
const CONNECTED = (port: number) => `has a TCP connection to a service of this host (port ${port})`;

/** A guard on the watched host, with no other Deno permission than the C library. */
class Guard implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;
  readonly #warnings: Promise<string>;
  #text = "";

  /**
   * @param wrapper a command that runs the guard's
   * @param args as guard.ts takes them
   */
  constructor(network: Network, { wrapper = [] as string[], args = [] as string[] } = {}) {
    const [command, ...rest] = [
      ...words(`ip netns exec ${network.watched}`),
      ...wrapper,
      ...words(
        `${Deno.execPath()} run --no-prompt --cached-only --allow-ffi=${
          LIBRARIES.libc.paths.join(",")
        } ${GUARD}`,
      ),
      ...args,
    ];
    this.#child = new Deno.Command(command, {
      args: rest,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#output = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#warnings = new Response(this.#child.stderr).text();
  }

  /** Asks about a host, or a network in CIDR notation. */
  async ask(question: string): Promise<string | boolean | null> {
    await this.#input.write(new TextEncoder().encode(question + "\n"));
    while (!this.#text.includes("\n")) {
      const { value } = await this.#output.read();
      if (value === undefined) assert.fail(`the guard has ended: ${await this.#warnings}`);
      this.#text += value;
    }
    const end = this.#text.indexOf("\n");
    const answer = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return JSON.parse(answer);
  }

  /** Asks until the answer is as expected, for a while. */
  async until(question: string, expected: string | null, limitMs = 3000): Promise<void> {
    const deadline = performance.now() + limitMs;
    let answer = await this.ask(question);
    while (answer !== expected && performance.now() < deadline) {
      await wait(20);
      answer = await this.ask(question);
    }
    assert.equal(answer, expected, question);
  }

  /** Ends it, and gives what it has warned of. */
  async end(): Promise<string[]> {
    await this.#input.close();
    await this.#output.cancel();
    assert.equal((await this.#child.status).code, 0);
    return (await this.#warnings).split("\n").slice(0, -1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#child.status;
    await this.#warnings;
  }
}

/** Connections on a host's side, until `await using` ends them. */
async function connect(namespace: string, connections: string): Promise<AsyncDisposable> {
  const child = new Deno.Command("ip", {
    args: words(`netns exec ${namespace} ${Deno.execPath()} run -A ${CONNECTION} ${connections}`),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = child.stdout.getReader();
  const { value } = await output.read();
  assert.equal(new TextDecoder().decode(value), "connected\n", connections);
  return {
    [Symbol.asyncDispose]: async () => {
      await child.stdin.close();
      await output.cancel();
      await child.status;
    },
  };
}

/** Services on the scanning host, which the watched one asks. */
async function listenOnScanner(network: Network, services: string): Promise<AsyncDisposable> {
  const swapped: Network = Object.create(network, { watched: { value: network.scanner } });
  return await swapped.listen(services);
}

async function onWatched(network: Network, ...commands: string[]): Promise<void> {
  for (const command of commands) await run(words(`ip -n ${network.watched} ${command}`));
}

Deno.test("the guard spares this host's addresses and gateways, as they come and go", async (test) => {
  await using network = await Network.create();
  await using guard = new Guard(network);
  /** What each of the hosts is spared for, a moment after a change. */
  const spared = async (hosts: string[], reason: string | null) => {
    for (const host of hosts) await guard.until(host, reason, 200);
  };
  await test.step("addresses, all of 127.0.0.0/8, and ::1", async () => {
    const own = [WATCHED.ipv4, WATCHED.ipv6, "127.0.0.1", "127.255.3.4", "::1", "::ffff:192.0.2.1"];
    await spared(own, OWN);
    await spared([SCANNER.ipv4, SCANNER.ipv6, "128.0.0.1", "126.255.255.255", "::2"], null);
    await onWatched(network, "addr add 198.51.100.1/24 dev eth0");
    await spared(["198.51.100.1"], OWN);
    await onWatched(network, "addr del 198.51.100.1/24 dev eth0");
    await spared(["198.51.100.1"], null);
  });
  await test.step("default gateways of IPv4 and IPv6, in any table", async () => {
    const gateways = ["192.0.2.254", "2001:db8::fe", "192.0.2.252", "fe80::7"];
    await spared(gateways, null);
    await onWatched(
      network,
      "route add default via 192.0.2.254",
      "-6 route add default via 2001:db8::fe",
      "route add default via 192.0.2.252 dev eth0 table 1000",
      "-4 route add default via inet6 fe80::7 dev eth0 metric 9",
    );
    await spared(gateways, GATEWAY);
    await onWatched(
      network,
      "route del default via 192.0.2.254",
      "-6 route del default",
      "route del default table 1000",
      "-4 route del default metric 9",
    );
    await spared(gateways, null);
  });
  await test.step("every gateway of a route with several, of IPv4 and IPv6", async () => {
    const gateways = ["192.0.2.250", "192.0.2.251", "2001:db8::fa", "2001:db8::fb"];
    await onWatched(
      network,
      "route add default nexthop via 192.0.2.250 nexthop via 192.0.2.251",
      "-6 route add default nexthop via 2001:db8::fa nexthop via 2001:db8::fb",
    );
    await spared(gateways, GATEWAY);
  });
  await test.step("the two halves that VPNs set, and no gateway of less", async () => {
    await onWatched(
      network,
      "route add 128.0.0.0/1 via 192.0.2.240",
      "route add 10.0.0.0/8 via 192.0.2.241",
      "route add unreachable default metric 4000",
      "-6 route add 2001:db8:8::/48 via 2001:db8::f0",
    );
    await spared(["192.0.2.240"], GATEWAY);
    await spared(["192.0.2.241", "2001:db8::f0"], null);
    await spared(["0.0.0.0", "::"], "is no host: those that have no address yet send from it");
  });
  await test.step("a gateway among more changes than the kernel keeps for anybody", async () => {
    const batch = await Deno.makeTempFile();
    const routes = Array.from({ length: 3000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
    const lines = routes.map((network) => `route add ${network} via 192.0.2.241\n`);
    await Deno.writeTextFile(batch, lines.join("") + "route add default via 192.0.2.239 table 9\n");
    await onWatched(network, `-batch ${batch}`);
    await Deno.remove(batch);
    await spared(["192.0.2.239"], GATEWAY);
  });
  await test.step("a network that holds one of them", async () => {
    for (
      const network of ["2001:db8::/64", "192.0.2.251/32", "127.9.0.0/16", "0.0.0.0/0", "::/0"]
    ) {
      assert.equal(await guard.ask(network), true, network);
    }
    for (const network of ["2001:db8:0:1::/64", "192.0.2.4/30", "128.0.0.0/8", "192.0.2.241/32"]) {
      assert.equal(await guard.ask(network), false, network);
    }
  });
  await test.step("nothing of an interface that has gone", async () => {
    await onWatched(network, "link del eth0");
    await spared([WATCHED.ipv4, WATCHED.ipv6, "192.0.2.250", "2001:db8::fa"], null);
    await spared(["127.0.0.1", "::1"], OWN);
  });
  assert.deepEqual(await guard.end(), []);
});

/** Further addresses of the scanning host, by what it does from them. */
const FROM = {
  both: "192.0.2.10",
  ipv6: "2001:db8::10",
  ipv4: "192.0.2.11",
  trap: "192.0.2.12",
  asked: "192.0.2.13",
  never: "192.0.2.14",
} as const;

for (
  const [name, wrapper, warnings] of [
    ["", [], 0],
    [" without netlink, too", WITHOUT_NETLINK, 2],
  ] as [string, string[], number][]
) {
  Deno.test(`the guard spares who is connected to a service${name}`, async (test) => {
    await using network = await Network.create();
    for (const address of Object.values(FROM)) {
      const prefix = address.includes(":") ? "64" : "24";
      const nodad = address.includes(":") ? " nodad" : "";
      await run(words(`ip -n ${network.scanner} addr add ${address}/${prefix} dev eth0${nodad}`));
    }
    await using _services = await network.listen(
      `tcp/::/22 tcp/${WATCHED.ipv4}/443 tcp/0.0.0.0/23`,
    );
    await using _scanners = await listenOnScanner(network, `tcp/${FROM.asked}/80`);
    await using guard = new Guard(network, { wrapper, args: ["23"] });
    const all = Object.values(FROM);
    await test.step("nobody before the connections", async () => {
      for (const host of all) assert.equal(await guard.ask(host), null, host);
      assert.equal(await guard.ask("2001:db8::/124"), !name);
    });
    await test.step("IPv4 and IPv6, also on one socket, half a second later", async () => {
      await using _in = await connect(
        network.scanner,
        `${FROM.both}/${WATCHED.ipv4}/22 ${FROM.ipv6}/${WATCHED.ipv6}/22 ` +
          `${FROM.ipv4}/${WATCHED.ipv4}/443 ${FROM.trap}/${WATCHED.ipv4}/23`,
      );
      await using _out = await connect(network.watched, `${WATCHED.ipv4}/${FROM.asked}/80`);
      await wait(500);
      assert.equal(await guard.ask(FROM.both), CONNECTED(22));
      assert.equal(await guard.ask(FROM.ipv6), CONNECTED(22));
      assert.equal(await guard.ask(FROM.ipv4), CONNECTED(443));
      assert.equal(await guard.ask("192.0.2.11/32"), true);
      assert.equal(await guard.ask("192.0.2.8/29"), true);
      assert.equal(await guard.ask("2001:db8::10/124"), true);
    });
    await test.step("nobody on a port that is no service, asked by this host, or absent", async () => {
      await using _in = await connect(network.scanner, `${FROM.trap}/${WATCHED.ipv4}/23`);
      await using _out = await connect(network.watched, `${WATCHED.ipv4}/${FROM.asked}/80`);
      await wait(500);
      for (const host of [FROM.trap, FROM.asked, FROM.never]) {
        assert.equal(await guard.ask(host), null, host);
      }
    });
    await test.step("nobody after the connections", async () => {
      await wait(500);
      for (const host of all) assert.equal(await guard.ask(host), null, host);
    });
    const told = await guard.end();
    assert.equal(told.length, warnings, told.join("\n"));
  });
}

Deno.test("the guard spares the name servers of resolv.conf and those behind a resolver of this host", async () => {
  await using network = await Network.create();
  const folder = await Deno.makeTempDir();
  const file = `${folder}/resolv.conf`;
  const upstream = `${folder}/upstream`;
  await Deno.writeTextFile(file, "nameserver 127.0.0.53\nnameserver fe80::53%eth0\n");
  await Deno.writeTextFile(upstream, "nameserver 192.0.2.53\n");
  try {
    // In a mount namespace of its own, which "ip netns exec" makes.
    const mounts = `mount --bind ${file} /etc/resolv.conf && mount -t tmpfs none /run && ` +
      `mkdir -p /run/systemd/resolve /run/NetworkManager /run/dnsmasq && ` +
      `cp ${upstream} /run/systemd/resolve/resolv.conf && ` +
      "echo nameserver 192.0.2.63 >/run/NetworkManager/no-stub-resolv.conf && " +
      'echo nameserver 192.0.2.73 >/run/dnsmasq/resolv.conf && exec "$@"';
    await using guard = new Guard(network, { wrapper: ["sh", "-c", mounts, "sh"] });
    assert.equal(await guard.ask("fe80::53"), NAME_SERVER);
    for (const host of ["192.0.2.53", "192.0.2.63", "192.0.2.73"]) {
      assert.equal(await guard.ask(host), NAME_SERVER);
    }
    assert.equal(await guard.ask("127.0.0.53"), OWN);
    assert.equal(await guard.ask("192.0.2.54"), null);
    await Deno.writeTextFile(file, "nameserver 192.0.2.54\n");
    await guard.until("192.0.2.54", NAME_SERVER);
    await guard.until("fe80::53", null);
    assert.deepEqual(await guard.end(), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the guard goes on when nothing can be known, and says so once", async () => {
  await using network = await Network.create();
  // A folder in place of the file, and no tables of the kernel's: "exec" keeps the process id.
  const mounts = `mount -t tmpfs none /etc && ` +
    `mkdir /etc/resolv.conf && mount --bind /etc /proc/$$/net && exec "$@"`;
  await using guard = new Guard(network, {
    wrapper: ["sh", "-c", mounts, "sh", ...WITHOUT_NETLINK],
  });
  for (let i = 0; i < 20; i++) {
    assert.equal(await guard.ask(SCANNER.ipv4), null);
    assert.equal(await guard.ask("127.0.0.1"), OWN);
  }
  const unknown = (what: string, why: string) =>
    `The lockout guard does not know ${what}, and cannot spare them: ${why}`;
  assert.deepEqual(await guard.end(), [
    unknown("the name servers", "read(/etc/resolv.conf): Is a directory"),
    unknown(
      "the addresses of this host",
      "socket(AF_NETLINK): Address family not supported by protocol",
    ),
    unknown("the default gateways", "socket(AF_NETLINK): Address family not supported by protocol"),
    unknown(
      "who is connected to the services of this host",
      "open(/proc/net/tcp): No such file or directory",
    ),
  ]);
});
