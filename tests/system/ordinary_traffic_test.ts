/**
 * DETECT="extended" gives no false alarm: a busy client whose own ports are all watched and a busy
 * server, over a cable that loses packets, with connections that end in every way there is.
 */
import assert from "node:assert/strict";
import { DOUBT_MS } from "../../src/limits.ts";
import { Network, run, SCANNER, WATCHED, words } from "./network.ts";
import { METHODS, Program } from "./program.ts";

const TRAFFIC = new URL("./traffic.ts", import.meta.url).pathname;
const OWN_PORTS = "20000-29999";
/** Of services on the watched host: one at a port that is watched, one that is not. */
const WATCHED_SERVICE = 1000;
const OTHER_SERVICE = 2000;
const CONFIG = `TCP_PORTS="${OWN_PORTS},${WATCHED_SERVICE}"\nDETECT="extended"`;

/** A process of traffic.ts on one of the hosts; it is killed, without a last word, at the end. */
class Traffic implements AsyncDisposable {
  private constructor(readonly child: Deno.ChildProcess) {}

  static async start(namespace: string, args: string): Promise<Traffic> {
    const command = `netns exec ${namespace} ${Deno.execPath()} run -A ${TRAFFIC} ${args}`;
    const child = new Deno.Command("ip", {
      args: words(command),
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const output = child.stdout.getReader();
    const { value } = await output.read();
    assert.equal(new TextDecoder().decode(value), "ready\n", args);
    await output.cancel();
    return new Traffic(child);
  }

  async kill(): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has been ended before.
    }
    await this.child.status;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Makes a host lose so much of what it sends and of what comes to it. What comes is lost behind the
 * captures: they see what the host's own TCP does not.
 */
async function lose(namespace: string, percent: number): Promise<void> {
  const rule = percent === 100 ? "drop" : `numgen random mod 100 < ${percent} drop`;
  const chain = (hook: string) =>
    `chain ${hook} { type filter hook ${hook} priority 0; ${rule}; };`;
  const rules = percent === 0 ? "" : chain("output") + (percent < 100 ? chain("input") : "");
  const table = `table inet loss { }; delete table inet loss; table inet loss { ${rules} }`;
  await run(["ip", "netns", "exec", namespace, "nft", table]);
}

/** Makes the ports that the watched host's own connections come from those that are watched. */
async function watchOwnPorts({ watched }: Network): Promise<void> {
  const range = `net.ipv4.ip_local_port_range=${OWN_PORTS.replace("-", " ")}`;
  await run(["ip", "netns", "exec", watched, "sysctl", "-qw", range]);
}

/** The events that are none of the classic detection. */
function unasked(program: Program): string[] {
  return program.eventLines().filter((line) => !line.includes("[TCP SYN/Normal scan]"));
}

/** How many of the packets that came were looked at: without them the test would prove nothing. */
async function packetsSeen(program: Program): Promise<number> {
  assert.equal(await program.stop(), 0);
  return Number(/^(\d+) packets, /m.exec(program.stdout)?.[1]);
}

/** Programs that watch the same host at the same time, with libpcap's captures and without libpcap. */
class Watches implements AsyncDisposable {
  private constructor(
    readonly programs: readonly Program[],
    readonly stack: AsyncDisposableStack,
  ) {}

  static async start(network: Network): Promise<Watches> {
    await using stack = new AsyncDisposableStack();
    const programs = await Promise.all([METHODS[0], METHODS[2]].map(async ([, method]) =>
      stack.use(
        await Program.start({
          ...method,
          args: [...method.args, "-v"],
          config: CONFIG,
          namespace: network.watched,
        }),
      )
    ));
    return new Watches(programs, stack.move());
  }

  /** The events of all of them. */
  eventLines(): string[] {
    return this.programs.flatMap((program) => program.eventLines());
  }

  signal(signal: Deno.Signal): void {
    for (const { child } of this.programs) child.kill(signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stack.disposeAsync();
  }
}

Deno.test('DETECT="extended" takes no segment of a busy client for a probe', async (test) => {
  await using network = await Network.create();
  await watchOwnPorts(network);
  await lose(network.watched, 3);
  await lose(network.scanner, 3);
  await using _server = await Traffic.start(network.scanner, "serve 80");
  const connect = () =>
    Traffic.start(network.watched, `connect 80 40 ${SCANNER.ipv4} ${SCANNER.ipv6}`);
  await using first = await connect();
  await pause(500);
  await using watches = await Watches.start(network);
  await test.step("connections begin and end, also some from before the start", async () => {
    await pause(DOUBT_MS + 3000);
    assert.deepEqual(watches.eventLines(), []);
  });
  await test.step("the program reads late, and more begins than its ring holds", async () => {
    watches.signal("SIGSTOP");
    await network.onWatched(
      `nmap -n -Pn --max-retries 0 -sS -g 25000 -p 1-15000 ${SCANNER.ipv4}`,
    );
    watches.signal("SIGCONT");
    await pause(500);
    assert.deepEqual(watches.eventLines(), []);
  });
  await test.step("a client is killed", async () => {
    await using second = await connect();
    await pause(500);
    await first.kill();
    await second.kill();
    await pause(500);
    assert.deepEqual(watches.eventLines(), []);
  });
  await test.step("a client is killed and nobody hears of it: the peers send on", async () => {
    await using third = await connect();
    await pause(1000);
    await lose(network.watched, 100);
    await third.kill();
    await pause(2000);
    await lose(network.watched, 3);
    await pause(1000);
    assert.deepEqual(watches.eventLines(), []);
  });
  await test.step("a client scans, from a port of its own and past the kernel", async () => {
    await network.onWatched(`nmap -n -Pn --max-retries 0 -sS -g 25001 -p 1-200 ${SCANNER.ipv4}`);
    await network.onWatched(`nmap -n -Pn --max-retries 0 -sT -p 1-200 ${SCANNER.ipv4}`);
    assert.deepEqual(watches.eventLines(), []);
  });
  await test.step("an ACK scan of the same ports is told", async () => {
    await network.nmap(`-sA -p 20000-20099 ${WATCHED.ipv4}`);
    for (const program of watches.programs) {
      await program.until(() => program.eventLines().length > 50, "most of the scan is told");
    }
  });
  for (const program of watches.programs) {
    const packets = await packetsSeen(program);
    assert.ok(packets > 2000, `${packets}`);
    assert.equal(program.stderr, "");
  }
});

Deno.test('DETECT="extended" takes no segment to a busy server for a probe', async (test) => {
  await using network = await Network.create();
  await lose(network.watched, 3);
  await lose(network.scanner, 3);
  await using watched = await Traffic.start(network.watched, `serve ${WATCHED_SERVICE}`);
  await using _other = await Traffic.start(network.watched, `serve ${OTHER_SERVICE}`);
  const connect = (port: number) =>
    Traffic.start(network.scanner, `connect ${port} 60 ${WATCHED.ipv4} ${WATCHED.ipv6}`);
  await using one = await connect(WATCHED_SERVICE);
  await using _two = await connect(OTHER_SERVICE);
  // To itself, over loopback, from ports that are watched.
  await watchOwnPorts(network);
  await using _three = await Traffic.start(
    network.watched,
    `connect ${OTHER_SERVICE} 10 127.0.0.1 ::1 ${WATCHED.ipv4} ${WATCHED.ipv6}`,
  );
  await pause(500);
  await using watches = await Watches.start(network);
  await test.step("clients come and go, also some from before the start", async () => {
    await pause(DOUBT_MS + 2000);
    assert.deepEqual(watches.eventLines(), []);
  });
  await test.step("clients are killed", async () => {
    await one.kill();
    await pause(500);
    assert.deepEqual(watches.eventLines(), []);
  });
  await test.step("the service is killed: what its clients still send is no scan", async () => {
    await using _four = await connect(WATCHED_SERVICE);
    await pause(1000);
    await lose(network.watched, 100);
    await watched.kill();
    await pause(1500);
    await lose(network.watched, 0);
    await pause(500);
    // Who tries to connect now is told as ever.
    assert.deepEqual(watches.programs.flatMap(unasked), []);
  });
  for (const program of watches.programs) {
    const packets = await packetsSeen(program);
    assert.ok(packets > 2000, `${packets}`);
    assert.equal(program.stderr, "");
  }
});

Deno.test('DETECT="extended" takes no segment of a container behind NAT for a probe', async () => {
  await using network = await Network.create();
  const inside = `${network.watched}-inside`;
  await run(["ip", "netns", "add", inside]);
  try {
    for (
      const command of [
        `ip link add inside netns ${network.watched} type veth peer name eth0 netns ${inside}`,
        `ip -n ${network.watched} addr add 10.0.0.1/24 dev inside`,
        `ip -n ${network.watched} link set inside up`,
        `ip -n ${inside} addr add 10.0.0.2/24 dev eth0`,
        `ip -n ${inside} link set eth0 up`,
        `ip -n ${inside} route add default via 10.0.0.1`,
      ]
    ) await run(words(command));
    await network.onWatched("sysctl -qw net.ipv4.ip_forward=1");
    await run(["ip", "netns", "exec", network.watched, "nft", NAT]);
    await using _server = await Traffic.start(network.scanner, "serve 80");
    await using _inner = await Traffic.start(inside, "serve 80");
    await using client = await Traffic.start(inside, `connect 80 30 ${SCANNER.ipv4}`);
    await using program = await Program.start({
      args: ["-v"],
      config: CONFIG,
      namespace: network.watched,
    });
    await using outer = await Traffic.start(
      network.scanner,
      `connect ${WATCHED_SERVICE} 30 ${WATCHED.ipv4}`,
    );
    await pause(DOUBT_MS + 2000);
    await client.kill();
    await outer.kill();
    await pause(500);
    // There is no service here: who connects to the one inside is told as ever.
    assert.deepEqual(unasked(program), []);
    await network.nmap(`-sA -p 20000-20009 ${WATCHED.ipv4}`);
    await program.until(() => unasked(program).length > 0, "a scan is told");
    const packets = await packetsSeen(program);
    assert.ok(packets > 2000, `${packets}`);
  } finally {
    await run(["ip", "netns", "del", inside]);
  }
});

/** Out from ports that are watched, and in from one. */
const NAT = `table ip nat {
  chain postrouting {
    type nat hook postrouting priority 100;
    ip protocol tcp oifname "eth0" masquerade to :${OWN_PORTS}
  }
  chain prerouting {
    type nat hook prerouting priority -100;
    iifname "eth0" tcp dport ${WATCHED_SERVICE} dnat to 10.0.0.2:80
  }
}`;
