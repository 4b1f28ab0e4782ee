/** SCAN_TRIGGER_PORTS, SCAN_TRIGGER_WINDOW and the ignore file's ports, in both modes. */
import assert from "node:assert/strict";
import { connectLine, wait } from "./connect_mode.ts";
import { Network, SCANNER, WATCHED } from "./network.ts";
import { eventLine, Program } from "./program.ts";

interface Probe {
  source: string;
  port: number;
  protocol?: "TCP" | "UDP";
  flags?: string[];
}

function stealthLine(probe: Probe): string {
  const udp = probe.protocol === "UDP" && { type: "UDP" };
  return eventLine({ ...probe, ...udp, ...(probe.source.includes(":") && { options: "unknown" }) });
}

const MODES: [option: string, line: (probe: Probe) => string][] = [
  ["--stealth", stealthLine],
  ["--connect", connectLine],
];

const BELOW = ["false", "false", "unset", "unset"];
const IGNORED = ["true", "unset", "unset", "unset"];
const PORTS = 'TCP_PORTS="2001-2009"\nUDP_PORTS="2001-2009"\n';

/** Full connections, which every mode tells once, one after the other. */
async function connect(network: Network, ports: number[], version: "ipv4" | "ipv6" = "ipv4") {
  const family = version === "ipv6" ? "-6 " : "";
  for (const port of ports) await network.nmap(`${family}-sT -p ${port} ${WATCHED[version]}`);
}

for (const [mode, line] of MODES) {
  Deno.test(`${mode} acts on the third port with SCAN_TRIGGER_PORTS, and forgets after the window`, async (test) => {
    await using network = await Network.create();
    await using program = await Program.start({
      args: [mode],
      config: `${PORTS}SCAN_TRIGGER_PORTS="3"\nSCAN_TRIGGER_WINDOW="4s"`,
      namespace: network.watched,
    });
    let told = 0;
    const next = async (count: number) => {
      const events = (await program.events(told + count)).slice(told);
      told += count;
      return events;
    };
    const source = SCANNER.ipv4;
    await test.step("one port again and again is one port; TCP and UDP are two", async () => {
      await connect(network, [2001, 2001, 2001]);
      await network.nmap(`-sU -p 2001 ${WATCHED.ipv4}`);
      await connect(network, [2002, 2001]);
      assert.deepEqual(await next(6), [
        line({ source, port: 2001, flags: BELOW }),
        line({ source, port: 2001, flags: BELOW }),
        line({ source, port: 2001, flags: BELOW }),
        line({ source, port: 2001, protocol: "UDP", flags: BELOW }),
        line({ source, port: 2002 }),
        line({ source, port: 2001 }),
      ]);
    });
    await test.step("another source has ports of its own", async () => {
      await connect(network, [2003], "ipv6");
      assert.deepEqual(await next(1), [
        line({ source: SCANNER.ipv6, port: 2003, flags: BELOW }),
      ]);
    });
    await test.step("a source that was quiet for the window begins anew", async () => {
      await wait(4500);
      await connect(network, [2004, 2005, 2006]);
      assert.deepEqual(await next(3), [
        line({ source, port: 2004, flags: BELOW }),
        line({ source, port: 2005, flags: BELOW }),
        line({ source, port: 2006 }),
      ]);
    });
  });
}

Deno.test("SCAN_TRIGGER counts within SCAN_TRIGGER_WINDOW", async () => {
  await using network = await Network.create();
  await using program = await Program.start({
    config: `${PORTS}SCAN_TRIGGER="2"\nSCAN_TRIGGER_WINDOW="3s"`,
    namespace: network.watched,
  });
  const source = SCANNER.ipv4;
  await connect(network, [2001]);
  await wait(3500);
  await connect(network, [2001, 2001]);
  assert.deepEqual(await program.events(3), [
    eventLine({ source, port: 2001, flags: BELOW }),
    eventLine({ source, port: 2001, flags: BELOW }),
    eventLine({ source, port: 2001 }),
  ]);
});

Deno.test("a reload turns SCAN_TRIGGER_PORTS on and off", async () => {
  await using network = await Network.create();
  const config = `${PORTS}SCAN_TRIGGER="9"`;
  await using program = await Program.start({ config, namespace: network.watched });
  const reload = async (text: string) => {
    Deno.writeTextFileSync(`${program.folder}/portsentry.conf`, text);
    const reloads = () => program.stdout.split("has been read again").length;
    const before = reloads();
    program.child.kill("SIGHUP");
    await program.until(() => reloads() > before, "it has reloaded");
  };
  const source = SCANNER.ipv4;
  await connect(network, [2001, 2002]);
  await program.events(2);
  await reload(`${PORTS}SCAN_TRIGGER_PORTS="2"`);
  await connect(network, [2003, 2004]);
  await program.events(4);
  await reload(`${PORTS}SCAN_TRIGGER="2"`);
  await connect(network, [2005, 2005]);
  assert.deepEqual((await program.events(6)).slice(2), [
    eventLine({ source, port: 2003, flags: BELOW }),
    eventLine({ source, port: 2004 }),
    eventLine({ source, port: 2005, flags: BELOW }),
    eventLine({ source, port: 2005 }),
  ]);
});

for (const [mode, line] of MODES) {
  Deno.test(`${mode} ignores a source at the ports that its line names`, async () => {
    await using network = await Network.create();
    await using program = await Program.start({
      args: [mode, "-v"],
      config: PORTS,
      ignore: `${SCANNER.ipv4}/24 tcp/2001, udp/2003-2004\n* tcp/2005\n`,
      namespace: network.watched,
    });
    await connect(network, [2001, 2002, 2005]);
    await connect(network, [2001, 2005], "ipv6");
    await network.nmap(`-sU -p 2003 ${WATCHED.ipv4}`);
    await network.nmap(`-sU -p 2005 ${WATCHED.ipv4}`);
    const [ipv4, ipv6] = [SCANNER.ipv4, SCANNER.ipv6];
    assert.deepEqual(await program.events(7), [
      line({ source: ipv4, port: 2001, flags: IGNORED }),
      line({ source: ipv4, port: 2002 }),
      line({ source: ipv4, port: 2005, flags: IGNORED }),
      line({ source: ipv6, port: 2001 }),
      line({ source: ipv6, port: 2005, flags: IGNORED }),
      line({ source: ipv4, port: 2003, protocol: "UDP", flags: IGNORED }),
      line({ source: ipv4, port: 2005, protocol: "UDP" }),
    ]);
    const file = `${program.folder}/portsentry.ignore`;
    const told = `Host: ${ipv6} found in ignore file ${file} aborting actions\n`;
    assert.equal(program.stdout.split(told).length, 2);
  });
}

Deno.test("what is wrong with the new keys and the ports of the ignore file is told at the start", async () => {
  await using program = Program.spawn({
    config: 'TCP_PORTS="1"\nSCAN_TRIGGER="3"\nSCAN_TRIGGER_PORTS="3"\nSCAN_TRIGGER_WINDOW="10"\n' +
      'FIREWALL="iptables"',
    ignore: "*\n192.0.2.1 tcp/99999\n",
  });
  assert.equal(await program.ended(), 1);
  const told = program.stderr.trimEnd().split("\n");
  assert.deepEqual(
    told.map((line) => line.replace(/^.*\/portsentry\.(\w+:\d+): .*$/, "$1")),
    ["conf:3", "conf:4", "conf:5", "ignore:1", "ignore:2"],
    program.stderr,
  );
});
