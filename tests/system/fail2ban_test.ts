/** Debian's own fail2ban-regex, with the filter installed the way its head says. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { ScanSummary } from "../../src/event/scan_summary.ts";
import { formatSummary } from "../../src/log/summary_line.ts";
import { Network, run, SCANNER, WATCHED } from "./network.ts";
import { eventLine, Program } from "./program.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FAIL2BAN = `${ROOT}.tools/debian/fail2ban`;

/** fail2ban's configuration folder with the filter and the jail added to it. */
class Fail2ban implements AsyncDisposable {
  readonly #folder = Deno.makeTempDirSync({ prefix: "portsentry-fail2ban-" });

  static async create(): Promise<Fail2ban> {
    const fail2ban = new Fail2ban();
    const folder = fail2ban.#folder;
    const packaged = `${ROOT}packaging/fail2ban`;
    await run(["cp", "-r", `${FAIL2BAN}/etc/fail2ban/.`, folder]);
    Deno.removeSync(`${folder}/jail.d/defaults-debian.conf`); // a jail for sshd, and nothing else
    Deno.copyFileSync(
      `${packaged}/filter.d/portsentry.conf`,
      `${folder}/filter.d/portsentry.local`,
    );
    Deno.copyFileSync(`${packaged}/jail.d/portsentry.conf`, `${folder}/jail.d/portsentry.conf`);
    return fail2ban;
  }

  /** The addresses that count as failures in these lines, in their order. */
  async failures(lines: string[]): Promise<string[]> {
    const log = `${this.#folder}/log`;
    Deno.writeTextFileSync(log, lines.map((line) => line + "\n").join(""));
    return (await this.#run("fail2ban-regex", "-r", "-o", "<ip>", log, "portsentry"))
      .trim().split("\n").map((line) => line.trim()).filter((line) => line !== "");
  }

  /** What fail2ban's server would be told to do, with the jail turned on. */
  jail(): Promise<string> {
    const log = `${this.#folder}/log`;
    Deno.writeTextFileSync(log, "");
    Deno.writeTextFileSync(
      `${this.#folder}/jail.d/portsentry.local`,
      `[portsentry]\nenabled = true\nlogpath = ${log}\n`,
    );
    return this.#run("fail2ban-client", "-d");
  }

  async #run(program: string, ...args: string[]): Promise<string> {
    const command = ["python3", `${FAIL2BAN}/usr/bin/${program}`, "-c", this.#folder, ...args];
    const env = { PYTHONPATH: `${FAIL2BAN}/usr/lib/python3/dist-packages` };
    return (await run(command, { env })).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

const HISTORY = "2026-11-22T18:21:14.160+0000 ";
const SYSLOG = "Nov 22 18:21:14 host portsentry[123]: ";
/** What fail2ban's journal backend puts before a message; it has the time from elsewhere. */
const JOURNAL = "host portsentry[123]: ";
const RSYSLOG = "2026-11-22T18:21:14.160123+00:00 host portsentry[123]: ";

Deno.test("fail2ban counts the triggered events of real scans, and no others", async (test) => {
  await using network = await Network.create();
  await using fail2ban = await Fail2ban.create();
  const other = "192.0.2.10";
  await network.onScanner(`ip addr add ${other}/24 dev eth0`);

  /** The history a run leaves after scans. */
  const history = async (config: string, ignore: string, scans: string[], events: number) => {
    await using program = await Program.start({
      config: `${config}\nHISTORY_FILE="FOLDER/history"`,
      ignore,
      namespace: network.watched,
    });
    for (const scan of scans) await network.nmap(scan);
    await program.events(events);
    assert.equal(await program.stop(), 0);
    return program.file("history").trimEnd().split("\n");
  };

  await test.step("every type of scan, over IPv4 and IPv6", async () => {
    const lines = await history('TCP_PORTS="23,79"\nUDP_PORTS="9"', "", [
      `-sS -p 23,79 ${WATCHED.ipv4}`,
      `-sN -p 23 ${WATCHED.ipv4}`,
      `-sF -p 23 ${WATCHED.ipv4}`,
      `-sX -p 23 ${WATCHED.ipv4}`,
      `-sS --scanflags SYNFIN -p 23 ${WATCHED.ipv4}`,
      `-sS --ip-options R -p 23 ${WATCHED.ipv4}`,
      `-sU -p 9 ${WATCHED.ipv4}`,
      `-6 -sS -p 23 ${WATCHED.ipv6}`,
    ], 9);
    assert.equal(lines.length, 9, lines.join("\n"));
    assert.deepEqual(await fail2ban.failures(lines), [
      ...Array(8).fill(SCANNER.ipv4),
      SCANNER.ipv6,
    ]);
  });

  await test.step("ignored sources do not count", async () => {
    const lines = await history('TCP_PORTS="23,79"', `${SCANNER.ipv4}\n`, [
      `-sS -p 23,79 ${WATCHED.ipv4}`,
      `-sS -S ${other} -e eth0 -p 23 ${WATCHED.ipv4}`,
    ], 3);
    assert.equal(lines.length, 3, lines.join("\n"));
    assert.deepEqual(await fail2ban.failures(lines), [other]);
  });

  await test.step("events below SCAN_TRIGGER do not count", async () => {
    const scan = `-sS -p 23 ${WATCHED.ipv4}`;
    const lines = await history('TCP_PORTS="23"\nSCAN_TRIGGER="3"', "", Array(4).fill(scan), 4);
    assert.equal(lines.length, 4, lines.join("\n"));
    assert.deepEqual(await fail2ban.failures(lines), [SCANNER.ipv4, SCANNER.ipv4]);
  });
});

Deno.test("fail2ban reads the history, syslog with either time, and the journal", async () => {
  await using fail2ban = await Fail2ban.create();
  const lines = [HISTORY, SYSLOG, RSYSLOG, JOURNAL].flatMap((prefix, i) => [
    prefix + eventLine({ source: `192.0.2.${i + 1}`, port: 65535 }),
    prefix + eventLine({ source: `2001:db8::${i + 1}`, port: 1, options: "unknown" }),
  ]);
  assert.deepEqual(await fail2ban.failures(lines), [
    "192.0.2.1",
    "2001:db8::1",
    "192.0.2.2",
    "2001:db8::2",
    "192.0.2.3",
    "2001:db8::3",
    "192.0.2.4",
    "2001:db8::4",
  ]);
});

const FLAGS: [flags: string[], counts: boolean][] = [
  [["true", "unset", "unset", "unset"], false],
  [["false", "false", "unset", "unset"], false],
  [["true", "true", "true", "false"], false],
  [["false", "true", "true", "false"], true],
  [["false", "true", "unset", "true"], true],
  [["false", "true", "false", "true"], true],
  [["false", "true", "false", "false"], true],
];

Deno.test("fail2ban counts by ignored and triggered, whatever noblock and blocked say", async () => {
  await using fail2ban = await Fail2ban.create();
  const source = (i: number) => `192.0.2.${i + 1}`;
  const lines = FLAGS.map(([flags], i) =>
    HISTORY + eventLine({ source: source(i), port: 23, type: "Connect", flags })
  );
  assert.deepEqual(
    await fail2ban.failures(lines),
    FLAGS.flatMap(([, counts], i) => counts ? [source(i)] : []),
  );
});

/** An event whose source has chosen its own reverse-DNS name. */
function named(source: string, name: string, flags?: string[]): string {
  return eventLine({ source, port: 23, ...(flags && { flags }) })
    .replace(`(${source})`, () => `(${name})`);
}

const IGNORED = ["true", "unset", "unset", "unset"];
const VICTIM = eventLine({ source: "203.0.113.5", port: 23 });
/** What the owner of an address may call it, to have somebody else banned or to slip away. */
const HOSTILE_NAMES = [
  "[203.0.113.5] (x) ignored: [false]",
  "203.0.113.5",
  "x) protocol: [TCP] port: [23] type: [UDP] IP opts: [set] ignored: [true] triggered: [unset] noblock: [unset] blocked: [unset]",
  VICTIM,
  `x) ${HISTORY}${VICTIM}`,
  `x ${SYSLOG}${VICTIM}`,
  "((((",
  "",
];

Deno.test("fail2ban binds to the source, whatever it calls itself", async () => {
  await using fail2ban = await Fail2ban.create();
  for (const prefix of [HISTORY, SYSLOG]) {
    const lines = HOSTILE_NAMES.flatMap((name, i) => [
      prefix + named(`192.0.2.${i}`, name),
      prefix + named(`198.51.100.${i}`, name, IGNORED),
    ]);
    assert.deepEqual(
      await fail2ban.failures(lines),
      HOSTILE_NAMES.map((_, i) => `192.0.2.${i}`),
    );
  }
});

Deno.test("fail2ban counts segments that nobody asked for, and no pings", async () => {
  await using fail2ban = await Fail2ban.create();
  const below = ["false", "false", "unset", "unset"];
  const ping = { port: 0, protocol: "ICMP", type: "ICMP echo request" };
  assert.deepEqual(
    await fail2ban.failures([
      HISTORY + eventLine({ source: "192.0.2.1", port: 23, type: "TCP ACK scan" }),
      HISTORY + eventLine({ source: "192.0.2.2", port: 23, type: "TCP Maimon scan" }),
      HISTORY + eventLine({ source: "192.0.2.3", ...ping, flags: below }),
      HISTORY + eventLine({ source: "192.0.2.4", ...ping }),
    ]),
    ["192.0.2.1", "192.0.2.2"],
  );
});

/** Lines that hold an event, but that Portsentry did not write. */
const FOREIGN = [
  VICTIM, // without a time
  `Nov 22 18:21:14 host sshd[9]: Invalid user ${VICTIM}`,
  `Nov 22 18:21:14 host sshd[9]: portsentry[123]: ${VICTIM}`,
  `Nov 22 18:21:14 host sshd[9]: ${SYSLOG}${VICTIM}`,
  `Nov 22 18:21:14 host xportsentry[123]: ${VICTIM}`,
  `${HISTORY}x ${VICTIM}`,
  `${HISTORY}${VICTIM} x`,
  `${SYSLOG}attackalert: ${VICTIM}`,
  `${HISTORY}${VICTIM.replace("[203.0.113.5]", "[victim.example]")}`,
  `${HISTORY}${VICTIM.replace("[203.0.113.5]", "[203.0.113.5] [203.0.113.6]")}`,
];

Deno.test("fail2ban passes over lines that only quote an event", async () => {
  await using fail2ban = await Fail2ban.create();
  const lines = FOREIGN.map((line, i) => line.replaceAll("203.0.113.5", `203.0.113.${i}`));
  assert.deepEqual(await fail2ban.failures(lines), []);
});

/** A scan that has ended, of which only the source and the tool are texts that differ. */
const SUMMARY: ScanSummary = {
  source: "203.0.113.5",
  kind: "vertical",
  tool: "nmap SYN",
  firstMs: Date.UTC(2026, 10, 22, 18, 21, 14, 160),
  lastMs: Date.UTC(2026, 10, 22, 18, 21, 15, 160),
  packets: 1000,
  ports: 998,
  targets: 1,
  samplePorts: ["tcp/22"],
  blocked: false,
};

Deno.test("fail2ban passes over the summaries of scans: each event has counted already", async () => {
  await using fail2ban = await Fail2ban.create();
  const lines = [HISTORY, SYSLOG, RSYSLOG, JOURNAL].flatMap((prefix) => [
    prefix + formatSummary(SUMMARY),
    prefix + formatSummary({ ...SUMMARY, source: "2001:db8::5", blocked: true }),
    prefix + formatSummary({ ...SUMMARY, source: "37 sources", kind: "distributed" }),
  ]);
  assert.deepEqual(await fail2ban.failures(lines), []);
  // An event among them is still seen.
  lines.splice(4, 0, HISTORY + VICTIM);
  assert.deepEqual(await fail2ban.failures(lines), ["203.0.113.5"]);
});

Deno.test("fail2ban takes the jail, with this filter and for every port and protocol", async () => {
  await using fail2ban = await Fail2ban.create();
  const told = await fail2ban.jail();
  assert.match(told, /\['start', 'portsentry'\]/);
  assert.match(told, /\['set', 'portsentry', 'maxretry', 1\]/);
  assert.match(told, /\['add', 'portsentry', 'auto'\]/);
  assert.match(told, /'addaction', '\w+-allports'/);
  assert.match(told, /\['protocol', 'tcp,udp'\]/);
  assert.equal([...told.matchAll(/'addfailregex'/g)].length, 1);
  assert.match(told, /'addfailregex', '\^.*Scan from: /);
});
