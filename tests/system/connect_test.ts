import assert from "node:assert/strict";
import { client, connectLine, connectMode, range, wait } from "./connect_mode.ts";
import { Network, SCANNER, WATCHED } from "./network.ts";
import { Program } from "./program.ts";

const WITHOUT_FAMILY = new URL("./without_family.ts", import.meta.url).pathname;
const AF_INET6 = "10";
const BANNER = "This port is watched; go away, 100% of it is logged.";

interface Answer {
  from: string;
  text: string;
}

const CONFIG = `
TCP_PORTS="11,23,100-103"
UDP_PORTS="9,2000-2003"
HISTORY_FILE="FOLDER/history"
`;

const SCANS: [name: string, args: string, lines: string[]][] = [
  ["connect", `-sT -p 11,12,23,99-104 ${WATCHED.ipv4}`, [
    ...[11, 23, ...range(100, 103)].map((port) => connectLine({ source: SCANNER.ipv4, port })),
  ]],
  ["connect over IPv6", `-6 -sT -p 11,12,23,99-104 ${WATCHED.ipv6}`, [
    ...[11, 23, ...range(100, 103)].map((port) => connectLine({ source: SCANNER.ipv6, port })),
  ]],
  [
    "UDP",
    `-sU -p 9,1999-2004 ${WATCHED.ipv4}`,
    [9, ...range(2000, 2003)].map((port) =>
      connectLine({ source: SCANNER.ipv4, port, protocol: "UDP" })
    ),
  ],
  [
    "UDP over IPv6",
    `-6 -sU -p 9,1999-2004 ${WATCHED.ipv6}`,
    [9, ...range(2000, 2003)].map((port) =>
      connectLine({ source: SCANNER.ipv6, port, protocol: "UDP" })
    ),
  ],
];

Deno.test("connect mode reports each of nmap's probes once, on stdout and in the history", async (test) => {
  await using network = await Network.create();
  await using program = await connectMode(network, { config: CONFIG });
  let told = 0;
  for (const [name, args, lines] of SCANS) {
    await test.step(name, async () => {
      await network.nmap(args);
      const events = (await program.events(told + lines.length)).slice(told);
      told += lines.length;
      assert.deepEqual(events.sort(), lines.sort());
    });
  }
  await test.step("a SYN scan never connects, and goes unnoticed", async () => {
    await network.nmap(`-sS -p 11,23 ${WATCHED.ipv4}`);
    assert.equal((await program.events(told)).length, told);
  });
  await test.step("the history holds the same lines, and nothing is wrong", async () => {
    assert.equal(await program.stop(), 0);
    const history = program.file("history").trimEnd().split("\n");
    assert.deepEqual(history.map((line) => line.slice(29)), program.eventLines());
    assert.equal(program.stderr, "");
    assert.equal(program.stdout.split("\n")[0], "Portsentry is now active and listening.");
  });
});

Deno.test("connect mode sees clients that reset at once, with their addresses", async (test) => {
  await using network = await Network.create();
  await using program = await connectMode(network, {
    config: `TCP_PORTS="23"\nPORT_BANNER="${BANNER}"`,
  });
  let told = 0;
  for (const family of ["ipv4", "ipv6"] as const) {
    await test.step(family, async () => {
      assert.equal(await client(network, `reset ${WATCHED[family]} 23 500`), "500 connected");
      const events = (await program.events(told + 500)).slice(told);
      told += 500;
      const line = connectLine({ source: SCANNER[family], port: 23 });
      assert.deepEqual(events, Array(500).fill(line));
    });
  }
});

Deno.test("the TCP banner arrives whole, whatever the client sends and when", async (test) => {
  await using network = await Network.create();
  await using program = await connectMode(network, {
    config: `TCP_PORTS="23"\nPORT_BANNER="${BANNER}"`,
  });
  for (
    const [name, input] of [
      ["nothing", ""],
      ["a request at once", "1000"],
      ["a request, half of it late", "1000 300"],
      ["as much as is read, and half of it late", "60000 300"],
    ]
  ) {
    for (const host of [WATCHED.ipv4, WATCHED.ipv6]) {
      await test.step(`${name}, to ${host}`, async () => {
        const got = await client(network, `tcp ${host} 23 ${input}`);
        assert.deepEqual(got, { text: BANNER, end: "closed" });
      });
    }
  }
  await test.step("clients that stay are cut off", async () => {
    const told = program.eventLines().length;
    const held = client(network, `hold ${WATCHED.ipv4} 23 300 3500`);
    await program.until(() => program.eventLines().length === told + 300, "all are there");
    const open = () => [...Deno.readDirSync(`/proc/${program.child.pid}/fd`)].length;
    assert.ok(open() < 256 + 100, `${open()} descriptors`);
    await wait(2500);
    assert.ok(open() < 50, `${open()} descriptors`);
    assert.equal(await held, "held");
  });
});

Deno.test("the banner comes after the checks: an ignored source gets none", async () => {
  await using network = await Network.create();
  await using program = await connectMode(network, {
    config: `TCP_PORTS="23"\nUDP_PORTS="2000"\nPORT_BANNER="${BANNER}"`,
    ignore: `${SCANNER.ipv4}\n`,
  });
  assert.deepEqual(await client(network, `tcp ${WATCHED.ipv4} 23`), { text: "", end: "closed" });
  assert.deepEqual(await client(network, `udp ${WATCHED.ipv4} 2000 5000`), []);
  const flags = ["true", "unset", "unset", "unset"];
  assert.deepEqual(await program.events(2), [
    connectLine({ source: SCANNER.ipv4, port: 23, flags }),
    connectLine({ source: SCANNER.ipv4, port: 2000, protocol: "UDP", flags }),
  ]);
  assert.deepEqual(await client(network, `tcp ${WATCHED.ipv6} 23`), {
    text: BANNER,
    end: "closed",
  });
});

Deno.test("a banner that no packet holds is a fault", async () => {
  await using program = Program.spawn({
    config: `TCP_PORTS="23"\nPORT_BANNER="${"x".repeat(1025)}"`,
    args: ["--connect"],
  });
  assert.equal(await program.ended(), 1);
  assert.match(
    program.stderr,
    /^\S+portsentry\.conf:2: PORT_BANNER: "x{79}…" is 1025 bytes long: write 1024 at most\n$/,
  );
});

Deno.test("the UDP banner leaves from the address that was probed", async (test) => {
  await using network = await Network.create();
  await network.onWatched("ip addr add 192.0.2.2/24 dev eth0");
  await network.onWatched("ip addr add 2001:db8::2/64 dev eth0 nodad");
  await using program = await connectMode(network, {
    config: `UDP_PORTS="2000"\nPORT_BANNER="${BANNER}"`,
    args: ["--connect", "-v"],
  });
  for (const host of [WATCHED.ipv4, "192.0.2.2", WATCHED.ipv6, "2001:db8::2"]) {
    await test.step(host, async () => {
      assert.deepEqual(await client<Answer[]>(network, `udp ${host} 2000 5000`), [
        { from: `${host} 2000`, text: BANNER },
      ]);
    });
  }
  await test.step("system ports get none: two such services would never stop", async () => {
    assert.deepEqual(await client(network, `udp ${WATCHED.ipv4} 2000 7`), []);
    assert.equal((await program.events(5)).length, 5);
  });
  await test.step("a source gets so many a minute, and every datagram is an event", async () => {
    const answers = await client<Answer[]>(network, `udp 192.0.2.2 2000 5000 200`);
    // Three were spent above; a new minute may begin at any moment.
    assert.ok(answers.length >= 61 && answers.length <= 128, `${answers.length} answers`);
    assert.equal((await program.events(205)).length, 205);
  });
  await test.step("a broadcast is no probe of this host", async () => {
    assert.deepEqual(await client(network, `udp 192.0.2.255 2000 5000`), []);
    assert.equal((await program.events(205)).length, 205);
    assert.equal(await program.stop(), 0);
    assert.match(
      program.stdout,
      /^205 packets, 0 to services, 205 events, 1 broadcast or multicast$/m,
    );
  });
});

Deno.test("two connect modes that are set on each other fall silent", async () => {
  await using network = await Network.create();
  const banner = `PORT_BANNER="${BANNER}"`;
  await using one = await connectMode(network, { config: `UDP_PORTS="2000"\n${banner}` });
  await using other = await connectMode(network, {
    config: `UDP_PORTS="2001"\n${banner}`,
    namespace: network.scanner,
  });
  // A datagram that pretends to come from the other: each banner is answered with the next.
  await network.nmap(`-sU -g 2001 -p 2000 ${WATCHED.ipv4}`);
  await wait(500);
  const events = one.eventLines().length;
  assert.ok(events > 10 && events <= 130, `${events} events`);
  await wait(500);
  assert.equal(one.eventLines().length, events);
  assert.ok(other.eventLines().length <= 130);
});

Deno.test("a port that is taken is told and left out", async (test) => {
  await using network = await Network.create();
  await using first = await connectMode(network, { config: 'TCP_PORTS="23"\nUDP_PORTS="2000"' });
  const local = `const listener = Deno.listen({ hostname: "127.0.0.1", port: 25 });
    console.log("listening");
    await listener.accept();`;
  await using _held = await hold(network, local);
  await test.step("the others are watched", async () => {
    await using second = await connectMode(network, {
      config: 'TCP_PORTS="22-26"\nUDP_PORTS="1999-2001"',
    });
    assert.equal(
      second.stderr,
      "Not watching TCP ports 23,25: bind: Address already in use\n" +
        "Not watching UDP port 2000: bind: Address already in use\n",
    );
    await network.nmap(`-sT -p 22-26 ${WATCHED.ipv4}`);
    assert.deepEqual(
      (await second.events(3)).sort(),
      [22, 24, 26].map((port) => connectLine({ source: SCANNER.ipv4, port })),
    );
    assert.deepEqual(await first.events(1), [connectLine({ source: SCANNER.ipv4, port: 23 })]);
  });
  await test.step("nothing left is a fault", async () => {
    await using third = Program.spawn({
      config: 'TCP_PORTS="23"\nUDP_PORTS="2000"\nHISTORY_FILE="FOLDER/history"',
      namespace: network.watched,
      args: ["--connect"],
    });
    assert.equal(await third.ended(), 1);
    assert.equal(third.stdout, "");
    assert.equal(
      third.stderr,
      "portsentry: option '--connect': Not watching TCP port 23: bind: Address already in use\n" +
        "portsentry: option '--connect': Not watching UDP port 2000: bind: Address already in use\n",
    );
    assert.throws(() => third.file("history"));
  });
  await test.step("a reload tries it again", async () => {
    await using fourth = await connectMode(network, { config: 'TCP_PORTS="23,27"' });
    assert.match(fourth.stderr, /^Not watching TCP port 23: /);
    assert.equal(await first.stop(), 0);
    fourth.child.kill("SIGHUP");
    await fourth.until(() => fourth.stdout.includes("has been read again"), "reloaded");
    await network.nmap(`-sT -p 23 ${WATCHED.ipv4}`);
    assert.deepEqual(await fourth.events(1), [connectLine({ source: SCANNER.ipv4, port: 23 })]);
  });
  await test.step("connections of a former run do not keep their ports", async () => {
    const options = { config: `TCP_PORTS="4000"\nPORT_BANNER="${BANNER}"` };
    {
      await using before = await connectMode(network, options);
      await client(network, `tcp ${WATCHED.ipv4} 4000`);
      assert.equal(await before.stop(), 0);
    }
    await using after = await connectMode(network, options);
    assert.equal(after.stderr, "");
  });
});

/** Runs a script on the watched host until it is disposed of; resolves when it has said something. */
async function hold(network: Network, script: string): Promise<AsyncDisposable> {
  const child = new Deno.Command("ip", {
    args: ["netns", "exec", network.watched, Deno.execPath(), "eval", script],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
    },
  };
}

Deno.test("a system without IPv6 is watched over IPv4", async () => {
  await using network = await Network.create();
  await using program = await connectMode(network, {
    config: `TCP_PORTS="23"\nUDP_PORTS="2000"\nPORT_BANNER="${BANNER}"`,
    args: ["--connect", "-v"],
    wrapper: [Deno.execPath(), "run", "-A", "--no-prompt", WITHOUT_FAMILY, AF_INET6],
  });
  assert.match(
    program.stdout,
    /^Listening on 2 ports, over IPv4 only: this system has no IPv6$/m,
  );
  assert.deepEqual(await client(network, `tcp ${WATCHED.ipv4} 23`), {
    text: BANNER,
    end: "closed",
  });
  assert.deepEqual(await client<Answer[]>(network, `udp ${WATCHED.ipv4} 2000 5000`), [
    { from: `${WATCHED.ipv4} 2000`, text: BANNER },
  ]);
  assert.deepEqual(await program.events(2), [
    connectLine({ source: SCANNER.ipv4, port: 23 }),
    connectLine({ source: SCANNER.ipv4, port: 2000, protocol: "UDP" }),
  ]);
});
