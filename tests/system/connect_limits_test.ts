import assert from "node:assert/strict";
import { client, connectLine, connectMode, cpuTicks, range, wait } from "./connect_mode.ts";
import { Network, run, SCANNER, WATCHED } from "./network.ts";
import { Program } from "./program.ts";

/** What connect mode keeps free for everything but its ports. */
const OTHER_DESCRIPTORS = 384;

/** Whether a process of this run may have so many descriptors. */
function mayHave(descriptors: number): boolean {
  const status = Deno.readTextFileSync("/proc/self/status");
  const capabilities = BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(status)?.[1]}`);
  const limits = Deno.readTextFileSync("/proc/self/limits");
  const hard = Number(/^Max open files\s+\d+\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
  return hard >= descriptors || (capabilities >> 24n & 1n) === 1n; // CAP_SYS_RESOURCE
}

for (
  const [tcp, udp] of [
    ["20000-29799", "20000-29799"],
    ["20000-29999", "20000-29999"],
    ["1-65535", ""],
    ["1-65535", "1-65535"],
  ]
) {
  const sizes = [tcp, udp].map((text) => {
    const [first, last] = text.split("-").map(Number);
    return text === "" ? 0 : last - first + 1;
  });
  const ports = sizes[0] + sizes[1];
  Deno.test({
    name: `connect mode listens on ${ports} ports, and reports what comes to the last one`,
    ignore: !mayHave(ports + OTHER_DESCRIPTORS),
    async fn() {
      await using network = await Network.create();
      await using program = await connectMode(network, {
        config: `TCP_PORTS="${tcp}"` + (udp === "" ? "" : `\nUDP_PORTS="${udp}"`),
        // Beyond the hard limit where root may, and beyond the soft one where not.
        ...(mayHave(Infinity) ? { wrapper: ["prlimit", "--nofile=1000:1000"] } : {}),
      });
      const last = Number(tcp.split("-")[1]);
      await network.nmap(`-sT -p ${last} ${WATCHED.ipv4}`);
      const lines = [connectLine({ source: SCANNER.ipv4, port: last })];
      if (udp !== "") {
        await network.nmap(`-6 -sU -p ${last} ${WATCHED.ipv6}`);
        lines.push(connectLine({ source: SCANNER.ipv6, port: last, protocol: "UDP" }));
      }
      assert.deepEqual(await program.events(lines.length), lines);
      const warnings = sizes.filter((size) => size === 65_535).length;
      assert.equal(program.stderr.split("\n").length - 1, warnings, program.stderr);
      const status = Deno.readTextFileSync(`/proc/${program.child.pid}/status`);
      const residentKb = Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1]);
      assert.ok(residentKb < 200_000, `${residentKb} kB`);
      const start = performance.now();
      assert.equal(await program.stop(), 0);
      const ms = performance.now() - start;
      assert.ok(ms < 500 + ports / 20, `${ms} ms to end`);
    },
  });
}

Deno.test("too low a limit of descriptors ends the start, and the fault says how many it takes", async () => {
  await using program = Program.spawn({
    config: 'TCP_PORTS="1001-2000"\nUDP_PORTS="1001-1500"\nHISTORY_FILE="FOLDER/history"',
    args: ["--connect"],
    wrapper: [
      "setpriv",
      "--bounding-set=-sys_resource",
      "--inh-caps=-sys_resource",
      "prlimit",
      "--nofile=1024:1024",
    ],
  });
  assert.equal(await program.ended(), 1);
  assert.equal(program.stdout, "");
  assert.match(
    program.stderr,
    /^portsentry: option '--connect': Listening on 1500 ports takes 1884 file descriptors, and this process may have only 1024: [^\n]*\n$/,
  );
  assert.throws(() => program.file("history"));
});

Deno.test("ports that leave this host none of its own are watched, with a warning", async () => {
  await using network = await Network.create();
  const range = "net.ipv4.ip_local_port_range=40000 40010";
  await run(["ip", "netns", "exec", network.watched, "sysctl", "-qw", range]);
  await using program = await connectMode(network, {
    config: 'TCP_PORTS="39999-40020"\nUDP_PORTS="40000-40009"',
  });
  assert.equal(
    program.stderr,
    "TCP_PORTS leaves this host no TCP port for connections of its own: leave out a part of " +
      "net.ipv4.ip_local_port_range\n",
  );
});

Deno.test("connect mode lives through a shortage of descriptors", async (test) => {
  await using network = await Network.create();
  await using program = await connectMode(network, {
    config: 'TCP_PORTS="1001-1020"\nPORT_BANNER="Hello"',
  });
  const { pid } = program.child;
  const limit = (most: number) => run(["prlimit", `--pid=${pid}`, `--nofile=${most}:`]);
  const scan = () => network.nmap(`-sT -p 1001-1020 ${WATCHED.ipv4}`);
  const lines = range(1001, 1020).map((port) => connectLine({ source: SCANNER.ipv4, port }));

  await test.step("with the spare one, every connection is seen at once", async () => {
    const open = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => Number(name));
    let lowestFree = 0;
    while (open.includes(lowestFree)) lowestFree++;
    await limit(lowestFree);
    await scan();
    assert.deepEqual((await program.events(20)).sort(), lines);
    assert.deepEqual(await client(network, `tcp ${WATCHED.ipv4} 1001`), {
      text: "Hello",
      end: "closed",
    });
    assert.equal((await program.events(21)).length, 21);
  });
  await test.step("without any, connections wait, and the CPU is not taken", async () => {
    await limit(3);
    await scan();
    await wait(500);
    const before = cpuTicks(pid);
    await wait(2000);
    const ticks = cpuTicks(pid) - before;
    assert.ok(ticks <= 20, `${ticks} ticks in two seconds`);
    assert.equal(program.eventLines().length, 21);
  });
  await test.step("and are seen, and told, when there are some again", async () => {
    await limit(1000);
    assert.deepEqual((await program.events(41)).slice(21).sort(), lines);
    await program.until(
      () =>
        program.stderr.includes(
          "1 times connections had to wait, no file descriptor was left to accept them\n",
        ),
      "the delay is told",
    );
    assert.equal(await program.stop(), 0);
  });
});

Deno.test("datagrams that a full buffer lost are told", async () => {
  await using network = await Network.create();
  await using program = await connectMode(network, { config: 'UDP_PORTS="2000"' });
  program.child.kill("SIGSTOP");
  await client(network, `udp ${WATCHED.ipv4} 2000 5000 1000`);
  program.child.kill("SIGCONT");
  const lost = () =>
    Number(
      /^(\d+) datagrams were dropped by the kernel, the buffers of their ports were full\n$/
        .exec(program.stderr)?.[1],
    );
  const told = () => program.eventLines().length + lost() === 1000;
  await program.until(told, "all datagrams are events or losses");
});

Deno.test("SIGTERM when connections and datagrams wait: what is not taken any more is told", async () => {
  await using network = await Network.create();
  await using program = await connectMode(network, {
    config: 'TCP_PORTS="2001-2008"\nUDP_PORTS="2001"\nHISTORY_FILE="FOLDER/history"',
  });
  program.child.kill("SIGSTOP");
  const each = 4000; // as many as a queue holds
  for (let port = 2001; port <= 2008; port++) {
    const connected = await client(network, `reset ${WATCHED.ipv4} ${port} ${each}`);
    assert.equal(connected, `${each} connected`);
  }
  await client(network, `udp ${WATCHED.ipv4} 2001 5000 100`);
  program.child.kill("SIGTERM");
  program.child.kill("SIGCONT");
  assert.equal((await program.child.status).code, 0);
  await program.until(() => program.stderr.endsWith("closed\n"), "the rest is told");
  const rest = Number(
    /^(\d+) connections and datagrams still waited when their ports were closed\n$/
      .exec(program.stderr)?.[1],
  );
  assert.equal(program.file("history").split("\n").length - 1 + rest, 8 * each + 100);
});

Deno.test("2,000 ports at idle cost no CPU", async () => {
  await using network = await Network.create();
  await using program = await connectMode(network, {
    config: 'TCP_PORTS="2001-3000"\nUDP_PORTS="2001-3000"',
  });
  await wait(1500); // the start has its aftermath
  const before = cpuTicks(program.child.pid);
  await wait(3000);
  const ticks = cpuTicks(program.child.pid) - before;
  assert.ok(ticks <= 1, `${ticks} ticks in three seconds`);
});
