/** DETECT="extended": what it sees of nmap's other scans and of pings, and what it says of them. */
import assert from "node:assert/strict";
import { DOUBT_MS } from "../../src/limits.ts";
import { Network, SCANNER, WATCHED } from "./network.ts";
import { eventLine, METHODS, Program, type ProgramOptions } from "./program.ts";

const CONFIG = 'TCP_PORTS="11,23,100-103"\nUDP_PORTS="9"\nDETECT="extended"';
const NEVER = ["false", "false", "unset", "unset"];
const OTHERS4 = ["192.0.2.2", "192.0.2.3"];
const OTHERS6 = ["2001:db8::2", "2001:db8::3"];

function ping(source: string, what = "echo request", flags = NEVER): string {
  const options = source.includes(":") ? "unknown" : "not set";
  const type = `ICMP ${what}`;
  return eventLine({ source, protocol: "ICMP", port: 0, type, options, flags });
}

function segment(source: string, port: number, type: string): string {
  const options = source.includes(":") ? "unknown" : "not set";
  return eventLine({ source, port, type, options });
}

const ACK = "TCP ACK scan";
const PUSH = "Unknown Type: TCP Packet Flags: SYN: 0 FIN: 0 ACK: 1 PSH: 1 URG: 0 RST: 0";

const SCANS: [scan: string, args: string, lines: string[]][] = [
  [
    "ACK",
    `-Pn -sA -p 11,23,80,99-104 ${WATCHED.ipv4}`,
    [11, 23, 100, 101, 102, 103].map((port) => segment(SCANNER.ipv4, port, ACK)),
  ],
  ["window", `-Pn -sW -p 23 ${WATCHED.ipv4}`, [segment(SCANNER.ipv4, 23, ACK)]],
  ["Maimon", `-Pn -sM -p 23 ${WATCHED.ipv4}`, [
    segment(SCANNER.ipv4, 23, "TCP Maimon scan"),
  ]],
  ["PSH+ACK", `-Pn -sA --scanflags ACKPSH -p 23 ${WATCHED.ipv4}`, [
    segment(SCANNER.ipv4, 23, PUSH),
  ]],
  ["XMAS with ACK", `-Pn -sA --scanflags ACKFINURGPSH -p 23 ${WATCHED.ipv4}`, [
    segment(SCANNER.ipv4, 23, "TCP XMAS scan"),
  ]],
  ["ACK over IPv6", `-6 -Pn -sA -p 23,24 ${WATCHED.ipv6}`, [
    segment(SCANNER.ipv6, 23, ACK),
  ]],
  ["SYN, as ever", `-Pn -sS -p 23 ${WATCHED.ipv4}`, [
    eventLine({ source: SCANNER.ipv4, port: 23 }),
  ]],
  ["UDP, as ever", `-Pn -sU -p 9 ${WATCHED.ipv4}`, [
    eventLine({ source: SCANNER.ipv4, port: 9, protocol: "UDP", type: "UDP" }),
  ]],
  ["SYN+ACK, which is an answer", `-Pn -sA --scanflags SYNACK -p 23 ${WATCHED.ipv4}`, []],
  ["RST, which is an answer", `-Pn -sA --scanflags RSTACK -p 23 ${WATCHED.ipv4}`, []],
  [
    "a sweep of echo requests",
    `-sn -PE --disable-arp-ping ${WATCHED.ipv4} ${OTHERS4.join(" ")}`,
    Array(3).fill(ping(SCANNER.ipv4)),
  ],
  ["the same sweep at once again", `-sn -PE --disable-arp-ping ${WATCHED.ipv4}`, []],
  ["a timestamp request", `-sn -PP --disable-arp-ping ${WATCHED.ipv4}`, [
    ping(SCANNER.ipv4, "timestamp request"),
  ]],
  ["an address mask request", `-sn -PM --disable-arp-ping ${WATCHED.ipv4}`, [
    ping(SCANNER.ipv4, "address mask request"),
  ]],
  [
    "a sweep over IPv6",
    `-6 -sn -PE --disable-arp-ping ${WATCHED.ipv6} ${OTHERS6.join(" ")}`,
    Array(3).fill(ping(SCANNER.ipv6)),
  ],
];

/** Starts the program, and waits until it takes no segment for a late one any more. */
async function startCertain(options: ProgramOptions): Promise<Program> {
  const program = await Program.start(options);
  await new Promise((resolve) => setTimeout(resolve, DOUBT_MS + 100));
  return program;
}

function sendPing(network: Network, address: string): Promise<unknown> {
  const family = address.includes(":") ? "-6 " : "";
  return network.onScanner(`nmap -n ${family}-sn -PE --disable-arp-ping ${address}`);
}

async function addAddresses(network: Network): Promise<void> {
  for (const address of OTHERS4) await network.onWatched(`ip addr add ${address}/24 dev eth0`);
  for (const address of OTHERS6) {
    await network.onWatched(`ip addr add ${address}/64 dev eth0 nodad`);
  }
}

Deno.test('every method reports segments with ACK and pings with DETECT="extended"', async (test) => {
  await using network = await Network.create();
  await addAddresses(network);
  // All of them watch the same host at once.
  await using programs = new AsyncDisposableStack();
  const watching = await Promise.all(METHODS.map(async ([name, method]) => {
    const options = { ...method, config: CONFIG, namespace: network.watched };
    return { name, program: programs.use(await startCertain(options)), told: 0 };
  }));
  for (const [scan, args, lines] of SCANS) {
    await test.step(scan, async () => {
      await network.onScanner(`nmap -n --max-retries 0 --host-timeout 20s ${args}`);
      await Promise.all(watching.map(async (one) => {
        const events = (await one.program.events(one.told + lines.length)).slice(one.told);
        one.told += lines.length;
        assert.deepEqual(events.sort(), lines.toSorted(), one.name);
      }));
    });
  }
  for (const { program } of watching) assert.equal(program.stderr, "");
});

Deno.test("DETECT can be changed by a reload, in both directions", async () => {
  await using network = await Network.create();
  await using program = await Program.start({
    config: 'TCP_PORTS="23"\nCONTROL_SOCKET="FOLDER/control.sock"',
    namespace: network.watched,
  });
  const file = `${program.folder}/portsentry.conf`;
  const classic = program.file("portsentry.conf");
  const scan = async () => {
    await network.nmap(`-sA -p 23 ${WATCHED.ipv4}`);
    await sendPing(network, WATCHED.ipv4);
  };
  const reload = async (config: string) => {
    Deno.writeTextFileSync(file, config);
    assert.equal((await program.command("reload")).code, 0);
  };
  await scan();
  assert.deepEqual(await program.events(0), []);
  await reload(`${classic}\nDETECT="extended"\n`);
  await scan(); // may be of a connection that began before
  await new Promise((resolve) => setTimeout(resolve, DOUBT_MS + 100));
  await scan();
  const lines = [ping(SCANNER.ipv4), segment(SCANNER.ipv4, 23, ACK)];
  assert.deepEqual(await program.events(2), lines);
  await reload(classic);
  await scan();
  assert.deepEqual(await program.events(2), lines);
  assert.equal(program.stderr, "");
});

Deno.test("pings of sources with icmp in the ignore file are ignored, and block nobody else", async () => {
  await using network = await Network.create();
  await using program = await startCertain({
    config: 'TCP_PORTS="23"\nDETECT="extended"\nBLOCK_TCP="2"\nBLOCK_UDP="2"\nKILL_RUN_CMD="true"',
    permissions: ["--allow-run=/bin/sh"],
    ignore: `${SCANNER.ipv4} icmp\n`,
    namespace: network.watched,
  });
  for (let i = 0; i < 3; i++) await sendPing(network, WATCHED.ipv4);
  for (let i = 0; i < 3; i++) await sendPing(network, WATCHED.ipv6);
  assert.deepEqual(await program.events(2), [
    ping(SCANNER.ipv4, "echo request", ["true", "unset", "unset", "unset"]),
    ping(SCANNER.ipv6),
  ]);
  assert.ok(!program.stdout.includes("External command"));
  await network.nmap(`-sA -p 23 ${WATCHED.ipv4}`);
  const flags = ["false", "true", "false", "true"];
  assert.equal(
    (await program.events(3))[2],
    eventLine({ source: SCANNER.ipv4, port: 23, type: ACK, flags }),
  );
  assert.ok(program.stdout.includes(`External command run for host: ${SCANNER.ipv4}`));
});

Deno.test('DETECT="extended" has no effect in connect mode, and that is told', async () => {
  await using network = await Network.create();
  await using program = await Program.start({
    config: 'TCP_PORTS="23"\nDETECT="extended"',
    args: ["--connect"],
    namespace: network.watched,
  });
  assert.match(
    program.stderr,
    /portsentry\.conf: DETECT="extended" has no effect with --connect: only stealth mode sees/,
  );
  await sendPing(network, WATCHED.ipv4);
  await network.nmap(`-sA -p 23 ${WATCHED.ipv4}`);
  assert.deepEqual(await program.events(0), []);
});

Deno.test('DETECT="extended" without CAP_NET_RAW ends the start like capturing does', async () => {
  await using program = Program.spawn({
    config: 'TCP_PORTS="23"\nDETECT="extended"',
    wrapper: ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"],
  });
  assert.equal(await program.ended(), 1);
  assert.equal(
    program.stderr,
    "portsentry: no permission to capture: run as root, or with the capability CAP_NET_RAW: Operation not permitted\n",
  );
});
