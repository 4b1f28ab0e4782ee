import assert from "node:assert/strict";
import { Network, SCANNER, WATCHED } from "./network.ts";
import { eventLine, METHODS, Program } from "./program.ts";

const CONFIG = `
TCP_PORTS="11,23,100-103"
UDP_PORTS="9"
HISTORY_FILE="FOLDER/log/history"
`;

const SCANS: [scan: string, args: string, lines: string[]][] = [
  [
    "SYN",
    `-sS -p 11,23,80,99-104 ${WATCHED.ipv4}`,
    [11, 23, 100, 101, 102, 103].map((port) => eventLine({ source: SCANNER.ipv4, port })),
  ],
  ["NULL", `-sN -p 23 ${WATCHED.ipv4}`, [
    eventLine({ source: SCANNER.ipv4, port: 23, type: "TCP NULL scan" }),
  ]],
  ["FIN", `-sF -p 23 ${WATCHED.ipv4}`, [
    eventLine({ source: SCANNER.ipv4, port: 23, type: "TCP FIN scan" }),
  ]],
  ["XMAS", `-sX -p 23 ${WATCHED.ipv4}`, [
    eventLine({ source: SCANNER.ipv4, port: 23, type: "TCP XMAS scan" }),
  ]],
  ["SYN+FIN", `-sS --scanflags SYNFIN -p 23 ${WATCHED.ipv4}`, [
    eventLine({
      source: SCANNER.ipv4,
      port: 23,
      type: "Unknown Type: TCP Packet Flags: SYN: 1 FIN: 1 ACK: 0 PSH: 0 URG: 0 RST: 0",
    }),
  ]],
  ["connect", `-sT -p 23 ${WATCHED.ipv4}`, [eventLine({ source: SCANNER.ipv4, port: 23 })]],
  ["IP options", `-sS --ip-options R -p 23 ${WATCHED.ipv4}`, [
    eventLine({ source: SCANNER.ipv4, port: 23, options: "set" }),
  ]],
  ["UDP", `-sU -p 9,10 ${WATCHED.ipv4}`, [
    eventLine({ source: SCANNER.ipv4, port: 9, protocol: "UDP", type: "UDP" }),
  ]],
  ["SYN over IPv6", `-6 -sS -p 23,24 ${WATCHED.ipv6}`, [
    eventLine({ source: SCANNER.ipv6, port: 23, options: "unknown" }),
  ]],
  ["UDP over IPv6", `-6 -sU -p 9 ${WATCHED.ipv6}`, [
    eventLine({
      source: SCANNER.ipv6,
      port: 9,
      protocol: "UDP",
      type: "UDP",
      options: "unknown",
    }),
  ]],
];

for (const [name, method] of METHODS) {
  Deno.test(`${name} reports each of nmap's scans once, on stdout and in the history`, async (test) => {
    await using network = await Network.create();
    await using program = await Program.start({
      ...method,
      config: CONFIG,
      namespace: network.watched,
    });
    let told = 0;
    for (const [scan, args, lines] of SCANS) {
      await test.step(scan, async () => {
        await network.nmap(args);
        const events = (await program.events(told + lines.length)).slice(told);
        told += lines.length;
        assert.deepEqual(events.sort(), lines.sort());
      });
    }
    await test.step("ACK scans and probes of unwatched ports are none", async () => {
      await network.nmap(`-sA -p 23 ${WATCHED.ipv4}`);
      await network.nmap(`-sS -p 24-30 ${WATCHED.ipv4}`);
      assert.equal((await program.events(told)).length, told);
    });
    await test.step("the history holds the same lines behind a local time", async () => {
      assert.equal(await program.stop(), 0);
      const history = program.file("log/history").trimEnd().split("\n");
      for (const line of history) {
        assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4} Scan from: \[/);
      }
      assert.deepEqual(history.map((line) => line.slice(29)), program.eventLines());
    });
    await test.step("stdout begins and ends with the contract's lines", () => {
      const lines = program.stdout.trimEnd().split("\n");
      assert.equal(lines[0], "Portsentry is now active and listening.");
      assert.equal(lines.at(-1), "Portsentry is shutting down");
      assert.equal(program.stderr, "");
    });
  });

  Deno.test(`${name} counts tiny fragments that hide the flags, and tells them with -v`, async () => {
    await using network = await Network.create();
    await using program = await Program.start({
      ...method,
      config: CONFIG,
      namespace: network.watched,
      args: [...method.args, "-v"],
    });
    await network.nmap(`-sS -f -p 23 ${WATCHED.ipv4}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(await program.stop(), 0);
    assert.match(program.stdout, /^0 packets, 0 to services, 0 events, 1 short TCP header$/m);
  });
}

const INTERFACES: [args: string[], ethernet: boolean, loopback: boolean][] = [
  [[], true, false],
  [["-i", "ALL_NLO"], true, false],
  [["-i", "ALL"], true, true],
  [["-i", "any"], true, true],
  [["-i", "eth0"], true, false],
  [["-i", "lo"], false, true],
  [["-i", "lo", "--interface", "eth0"], true, true],
];

Deno.test("stealth mode watches the interfaces that -i names", async (test) => {
  await using network = await Network.create();
  for (const [args, ethernet, loopback] of INTERFACES) {
    await test.step(args.join(" ") || "no -i", async () => {
      await using program = await Program.start({
        config: 'TCP_PORTS="23"',
        namespace: network.watched,
        args: [...args, "-L"],
      });
      await network.nmap(`-sS -p 23 ${WATCHED.ipv4}`);
      await network.onWatched("nmap -n -Pn --max-retries 0 -sS -p 23 127.0.0.1");
      const expected = [
        ...(ethernet ? [eventLine({ source: SCANNER.ipv4, port: 23 })] : []),
        ...(loopback ? [eventLine({ source: "127.0.0.1", port: 23 })] : []),
      ];
      assert.deepEqual((await program.events(expected.length)).sort(), expected.sort());
    });
  }
});

Deno.test("the checks come in the contract's order: ignore file, SCAN_TRIGGER, same host", async (test) => {
  await using network = await Network.create();
  const config = 'TCP_PORTS="1-1000"\nSCAN_TRIGGER="2"';
  await test.step("an ignored source is told as such, and never triggers", async () => {
    await using program = await Program.start({
      config,
      ignore: `${SCANNER.ipv4}\n2001:DB8::/64\n`,
      namespace: network.watched,
      args: ["-v"],
    });
    await network.nmap(`-sS -p 1-3 ${WATCHED.ipv4}`);
    await network.nmap(`-6 -sS -p 1 ${WATCHED.ipv6}`);
    const flags = ["true", "unset", "unset", "unset"];
    assert.deepEqual(
      (await program.events(4)).sort(),
      [
        eventLine({ source: SCANNER.ipv6, port: 1, options: "unknown", flags }),
        ...[1, 2, 3].map((port) => eventLine({ source: SCANNER.ipv4, port, flags })),
      ].sort(),
    );
    const file = `${program.folder}/portsentry.ignore`;
    assert.ok(
      program.stdout.includes(
        `Host: ${SCANNER.ipv4} found in ignore file ${file} aborting actions\n`,
      ),
    );
  });
  await test.step("the second event of a source triggers", async () => {
    await using program = await Program.start({ config, namespace: network.watched });
    for (const port of [1, 2, 3]) await network.nmap(`-sS -p ${port} ${WATCHED.ipv4}`);
    assert.deepEqual(await program.events(3), [
      eventLine({ source: SCANNER.ipv4, port: 1, flags: ["false", "false", "unset", "unset"] }),
      eventLine({ source: SCANNER.ipv4, port: 2 }),
      eventLine({ source: SCANNER.ipv4, port: 3 }),
    ]);
  });
  await test.step("this host scanning itself is told, with -d, as skipped", async () => {
    await using program = await Program.start({
      config: 'TCP_PORTS="23"',
      namespace: network.watched,
      args: ["-i", "lo", "-d"],
    });
    await network.onWatched("nmap -n -Pn --max-retries 0 -sS -p 23 127.0.0.1");
    assert.deepEqual(await program.events(1), [
      eventLine({ source: "127.0.0.1", port: 23, flags: ["true", "true", "true", "false"] }),
    ]);
    assert.ok(
      program.stdout.includes(
        "debug: Source address 127.0.0.1 same as destination address 127.0.0.1, skipping\n",
      ),
    );
  });
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} ends the program with status 0 within a second`, async () => {
    await using network = await Network.create();
    await using program = await Program.start({ namespace: network.watched });
    const start = performance.now();
    assert.equal(await program.stop(signal), 0);
    assert.ok(performance.now() - start < 1000);
  });
}
