/** Scan sessions: what the running program tells of real scans when they end. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { validLine } from "../log/events_schema.ts";
import { Network, SCANNER, WATCHED } from "./network.ts";
import { pick, summaries, watch } from "./scan_watch.ts";

for (const [name, args] of [["pcap", []], ["raw", ["-m", "raw"]]] as const) {
  Deno.test(`-m ${name}: an nmap of many ports is told as one vertical scan, and kept`, async () => {
    await using network = await Network.create();
    const config = 'SCAN_WINDOW="2s"\nSTATE_FILE="FOLDER/state.db"';
    await using program = await watch(network, config, { args: [...args] });
    await network.nmap(`-sS -p 1-1000 ${WATCHED.ipv4}`);
    await program.until(() => summaries(program).length > 0, "the scan has ended");
    const fields = ["from", "kind", "tool", "packets", "ports", "targets", "blocked"];
    assert.deepEqual(pick(program, ...fields), [
      [SCANNER.ipv4, "vertical", "nmap SYN", "1000", "1000", "1", "false"],
    ]);
    const [{ first, last, rate, sample }] = summaries(program);
    const span = Date.parse(last) - Date.parse(first);
    assert.ok(span >= 0 && span < 20_000, `${first} ${last}`);
    assert.ok(Math.abs(Number(rate) - 999_000 / Math.max(1, span)) <= Number(rate) / 20, rate);
    assert.match(sample, /^(tcp\/\d+,)+tcp\/\d+$/);
    assert.equal(await program.stop(), 0);
    // The drop-in's history has what it always had.
    assert.doesNotMatch(program.file("history"), /summary/);
    using database = new DatabaseSync(`${program.folder}/state.db`, { readOnly: true });
    const rows = database.prepare("SELECT source, kind, tool, packets, ports, blocked FROM scans")
      .all();
    assert.deepEqual(rows.map((row) => ({ ...row })), [{
      source: SCANNER.ipv4,
      kind: "vertical",
      tool: "nmap SYN",
      packets: 1000,
      ports: 1000,
      blocked: 0,
    }]);
  });
}

Deno.test("one port of several of our addresses is told as a sweep, over both families", async () => {
  await using network = await Network.create();
  for (let i = 10; i < 20; i++) {
    await network.onWatched(`ip addr add 192.0.2.${i}/24 dev eth0`);
    await network.onWatched(`ip addr add 2001:db8::${i}/64 dev eth0 nodad`);
  }
  await using program = await watch(network);
  await network.nmap("-sS -p 23 192.0.2.10-19");
  await network.nmap(
    `-6 -sS -p 23 ${Array.from({ length: 10 }, (_, i) => `2001:db8::${10 + i}`).join(" ")}`,
  );
  await program.events(20);
  assert.equal(await program.stop(), 0);
  assert.deepEqual(pick(program, "from", "kind", "ports", "targets", "sample").sort(), [
    [SCANNER.ipv4, "sweep", "1", "10", "tcp/23"],
    [SCANNER.ipv6, "sweep", "1", "10", "tcp/23"],
  ]);
});

Deno.test("many sources at one port are told as one distributed scan", async () => {
  await using network = await Network.create();
  await using program = await watch(network, 'SCAN_WINDOW="1s"');
  const decoys = Array.from({ length: 20 }, (_, i) => `192.0.2.${100 + i}`).join(",");
  await network.nmap(`-sS -p 23 -D ${decoys} ${WATCHED.ipv4}`);
  await program.events(21);
  await program.until(() => summaries(program).length > 0, "the scan has ended");
  assert.equal(await program.stop(), 0);
  assert.deepEqual(pick(program, "from", "kind", "packets", "ports", "targets", "sample"), [
    ["21 sources", "distributed", "21", "1", "1", "tcp/23"],
  ]);
});

Deno.test("a probe is told with -v only, and the scans that are open at the end", async () => {
  for (const args of [[], ["-v"]]) {
    await using network = await Network.create();
    await using program = await watch(network, "", { args });
    await network.nmap(`-sS -p 23 ${WATCHED.ipv4}`);
    await program.events(1);
    assert.deepEqual(summaries(program), []);
    assert.equal(await program.stop(), 0);
    const told = args.length > 0 ? [["probe", "1", "0"]] : [];
    assert.deepEqual(pick(program, "kind", "packets", "rate"), told);
    assert.match(program.stdout, /Portsentry is shutting down\n$/);
    assert.equal(program.stderr, "");
  }
});

Deno.test("a reload keeps the scans that are open, and SCAN_WINDOW from then on is another", async () => {
  await using network = await Network.create();
  await using program = await watch(network);
  await network.nmap(`-sS -p 1-50 ${WATCHED.ipv4}`);
  await program.events(50);
  const path = `${program.folder}/portsentry.conf`;
  Deno.writeTextFileSync(path, `${Deno.readTextFileSync(path)}\nSCAN_WINDOW="1s"\n`);
  program.child.kill("SIGHUP");
  await program.until(() => summaries(program).length > 0, "the scan has ended");
  assert.deepEqual(pick(program, "kind", "packets"), [["vertical", "50"]]);
});

Deno.test("a summary says that the source was blocked, also by a command that nobody remembers", async () => {
  const means = [
    'KILL_ROUTE="true # $TARGET$"',
    'KILL_ROUTE="true # $TARGET$"\nBLOCKED_FILE="FOLDER/blocked"',
    'FIREWALL="nftables"\nSTATE_FILE="FOLDER/state.db"',
  ];
  for (const config of means) {
    await using network = await Network.create();
    await using program = await watch(network, `BLOCK_TCP="1"\nLOCKOUT_GUARD="0"\n${config}`, {
      permissions: ["--allow-run=/bin/sh"],
    });
    await network.nmap(`-sS -p 1-5 ${WATCHED.ipv4}`);
    await program.until(() => program.stdout.includes("blocked: [true]"), "it is blocked");
    assert.equal(await program.stop(), 0);
    assert.deepEqual(pick(program, "from", "blocked"), [[SCANNER.ipv4, "true"]], config);
  }
});

Deno.test("sources of the ignore file do not scan", async () => {
  await using network = await Network.create();
  await using program = await watch(network, "", { ignore: SCANNER.ipv4, args: ["-v"] });
  await network.nmap(`-sS -p 1-5 ${WATCHED.ipv4}`);
  await program.events(5);
  assert.equal(await program.stop(), 0);
  assert.deepEqual(summaries(program), []);
});

Deno.test("--connect tells scans as well", async () => {
  await using network = await Network.create();
  await using program = await watch(network, 'TCP_PORTS="1-50"', { args: ["--connect"] });
  await network.nmap(`-sT -p 1-50 ${WATCHED.ipv4}`);
  await program.events(50);
  assert.equal(await program.stop(), 0);
  assert.deepEqual(pick(program, "from", "kind", "ports"), [[SCANNER.ipv4, "vertical", "50"]]);
});

Deno.test("--log-format json tells scans and tools in JSON, and so does a history of JSON", async () => {
  await using network = await Network.create();
  await using program = await watch(network, 'HISTORY_FORMAT="json"', {
    args: ["--log-format", "json"],
  });
  await network.nmap(`-sS -p 1-50 ${WATCHED.ipv4}`);
  const decoys = Array.from({ length: 20 }, (_, i) => `192.0.2.${100 + i}`).join(",");
  await network.nmap(`-sS -p 23 -D ${decoys} ${WATCHED.ipv4}`);
  await program.until(() => program.stdout.split('"action":"probe"').length > 71, "all are told");
  assert.equal(await program.stop(), 0);
  for (const text of [program.stdout, program.file("history")]) {
    const lines = text.trimEnd().split("\n").map(validLine);
    const scans = lines.filter(({ event }) => event.dataset === "portsentry.scan");
    assert.deepEqual(
      scans.map((
        { source, portsentry },
      ) => [source?.ip, portsentry.scan.kind, portsentry.scan.sources])
        .sort(),
      [[undefined, "distributed", 20], [SCANNER.ipv4, "vertical", 1]],
    );
    const tools = lines.filter(({ event, source }) =>
      event.dataset === "portsentry.event" && source.ip === SCANNER.ipv4
    ).map(({ portsentry }) => portsentry.tool);
    assert.equal(tools.at(-1), "nmap SYN");
  }
});

const FAKETIME = fileURLToPath(
  new URL(
    `../../.tools/debian/libfaketime/usr/lib/${Deno.build.arch}-linux-gnu/faketime/libfaketimeMT.so.1`,
    import.meta.url,
  ),
);

Deno.test("a scan that takes its time is told as slow, where the clock is quick", async () => {
  await using network = await Network.create();
  // A second on the wire is two minutes of the program's, as an nmap of many hours would be.
  await using program = await watch(network, "", {
    env: { LD_PRELOAD: FAKETIME, FAKETIME: "+0 x120" },
  });
  await network.nmap(`-sS -p 1-4 --scan-delay 1s ${WATCHED.ipv4}`);
  await program.events(4);
  await program.stop();
  assert.deepEqual(pick(program, "kind", "packets"), [["slow", "4"]]);
});
