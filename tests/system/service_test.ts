import assert from "node:assert/strict";
import { Network, SCANNER, WATCHED } from "./network.ts";
import { METHODS, Program } from "./program.ts";

const CONFIG = 'TCP_PORTS="1000-1009"\nUDP_PORTS="1000-1009"';

/** The ports that are told, of a scan of all ten. */
async function told(program: Program, scan: () => Promise<unknown>): Promise<string[]> {
  const before = program.eventLines().length;
  await scan();
  await new Promise((resolve) => setTimeout(resolve, 300));
  return program.eventLines().slice(before)
    .map((line) => line.replace(/.*protocol: \[(\w+)\] port: \[(\d+)\].*/, "$1/$2")).sort();
}

const ALL_BUT = (protocol: string, ...ports: number[]) =>
  Array.from({ length: 10 }, (_, i) => 1000 + i).filter((port) => !ports.includes(port))
    .map((port) => `${protocol}/${port}`);

for (const [name, method] of METHODS) {
  Deno.test(`${name} reports no probe of a port that has a service at that address`, async (test) => {
    await using network = await Network.create();
    await using _services = await network.listen(
      `tcp/${WATCHED.ipv4}/1001 tcp/::/1002 tcp/127.0.0.1/1003 tcp/0.0.0.0/1004 ` +
        `udp/${WATCHED.ipv4}/1005 udp/::/1006 udp/127.0.0.1/1007 ` +
        `udp/0.0.0.0/1008/${SCANNER.ipv4}/4444`,
    );
    await using program = await Program.start({
      ...method,
      args: [...method.args, "-v"],
      config: CONFIG,
      namespace: network.watched,
    });
    await test.step("TCP over IPv4: own address, dual stack and any address count", async () => {
      const ports = await told(program, () => network.nmap(`-sS -p 1000-1009 ${WATCHED.ipv4}`));
      assert.deepEqual(ports, ALL_BUT("TCP", 1001, 1002, 1004));
      assert.ok(
        program.stdout.includes(
          `Ignoring packet from ${SCANNER.ipv4} to destination port 1001, a service is running\n`,
        ),
      );
    });
    await test.step("TCP over IPv6: only the dual-stack one counts", async () => {
      const ports = await told(program, () => network.nmap(`-6 -sS -p 1000-1009 ${WATCHED.ipv6}`));
      assert.deepEqual(ports, ALL_BUT("TCP", 1002));
    });
    await test.step("UDP: a socket connected to somebody else is no service", async () => {
      const ports = await told(program, () => network.nmap(`-sU -p 1000-1009 ${WATCHED.ipv4}`));
      assert.deepEqual(ports, ALL_BUT("UDP", 1005, 1006));
    });
    await test.step("UDP: a socket connected to the sender is one", async () => {
      const scan = () => network.nmap(`-sU -g 4444 -p 1007,1008,1009 ${WATCHED.ipv4}`);
      assert.deepEqual(await told(program, scan), ["UDP/1007", "UDP/1009"]);
    });
  });
}

Deno.test("services that start and stop are respected within a second", async () => {
  await using network = await Network.create();
  await using program = await Program.start({ config: CONFIG, namespace: network.watched });
  const scan = () => network.nmap(`-sS -p 1001 ${WATCHED.ipv4}`);
  assert.deepEqual(await told(program, scan), ["TCP/1001"]);
  {
    await using _service = await network.listen("tcp/0.0.0.0/1001");
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.deepEqual(await told(program, scan), []);
  }
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.deepEqual(await told(program, scan), ["TCP/1001"]);
});

Deno.test("-S reports probes of ports that have a service", async () => {
  await using network = await Network.create();
  await using _service = await network.listen("tcp/0.0.0.0/1001");
  await using program = await Program.start({
    config: CONFIG,
    namespace: network.watched,
    args: ["-S"],
  });
  const scan = () => network.nmap(`-sS -p 1001 ${WATCHED.ipv4}`);
  assert.deepEqual(await told(program, scan), ["TCP/1001"]);
});
