/**
 * Makes the pictures of docs/pictures: real scans by real tools between two network namespaces, seen by the
 * real program, reported by it and drawn by Chromium. A day is made of a few minutes: the scans of each
 * hour are a run of their own, whose state file is then moved back in time.
 *
 *   deno run -A tools/pictures.ts FOLDER
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { Browser } from "../tests/extra/browser.ts";
import { Network, run, WATCHED, words } from "../tests/system/network.ts";
import { Program, programCommand } from "../tests/system/program.ts";

const HOUR_MS = 3_600_000;
const TARGETS = [1, 2, 3, 4, 5, 6].map((host) => `192.0.2.${host}`);
/** RFC 5737: addresses for documentation. */
const HOME = [23, 44, 77].map((host) => `192.0.2.${host}`);
const FAR = [7, 19, 66, 130, 201].map((host) => `198.51.100.${host}`);
const CROWD = Array.from({ length: 24 }, (_, i) => `203.0.113.${10 + i}`);

const CONFIG = `TCP_PORTS="1-1024,2323,3306,3389,5432,5900,6379,8080"
UDP_PORTS="53,69,123,161,1900"
BLOCK_TCP="1"
FIREWALL="nftables"
SCAN_TRIGGER="10"
BLOCK_TIME="6h"
STATE_FILE="FOLDER/state.db"
CONTROL_SOCKET="FOLDER/control.sock"
`;

const nmap = (source: string, args: string) =>
  `nmap -n -Pn --max-retries 0 --host-timeout 20s -e eth0 -S ${source} ${args}`;
const masscan = (source: string, ports: string) =>
  `masscan --adapter eth0 --adapter-ip ${source} --router-mac ${WATCHED.mac} --rate 500 --wait 0 ` +
  `-p ${ports} ${TARGETS[0]}`;
const zmap = (source: string, port: number) =>
  `zmap -b /dev/null -o /dev/null -q -v 0 -i eth0 -S ${source} -G ${WATCHED.mac} -r 100 -c 0 -p ${port} ${
    TARGETS.join(" ")
  }`;
const hping = (source: string, port: number) =>
  `hping3 -q -a ${source} -S -p ${port} -c 25 -i u20000 ${TARGETS[0]}`;
const crowd = (port: number) => CROWD.map((source) => nmap(source, `-sS -p ${port} ${TARGETS[0]}`));

/** What was done in each hour, by how long ago that was. */
const HOURS: [hoursAgo: number, commands: string[]][] = [
  [23, [nmap(FAR[0], `-sS -p 20-25 ${TARGETS[0]}`), hping(HOME[0], 23)]],
  [22, [zmap(FAR[1], 23)]],
  [20, [nmap(FAR[2], `-sU -p 53,69,123,161,1900 ${TARGETS[0]}`), zmap(FAR[3], 80)]],
  [19, [masscan(FAR[4], "21-23,80,443,3306,3389,5432,5900,6379,8080")]],
  [17, [nmap(FAR[0], `-sS -F ${TARGETS[0]}`)]],
  [16, [zmap(FAR[1], 22), zmap(FAR[3], 445)]],
  [14, [nmap(HOME[1], `-sN -p 1-60 ${TARGETS[0]}`)]],
  [13, crowd(23)],
  [12, [hping(FAR[2], 3389), zmap(FAR[1], 23)]],
  [10, [nmap(FAR[4], `-sS -p 22 ${TARGETS.join(" ")}`), zmap(FAR[3], 6379)]],
  [9, [masscan(FAR[0], "1-120")]],
  [7, [nmap(HOME[2], `-sX -p 20-120 ${TARGETS[0]}`)]],
  [6, [nmap(FAR[2], `-sU -p 53,123,161 ${TARGETS[0]}`), zmap(FAR[1], 23)]],
  [5, [zmap(FAR[3], 8080), hping(FAR[2], 445)]],
  [3, [nmap(FAR[4], `-sS -p 1-200 ${TARGETS[0]}`), zmap(FAR[1], 2323)]],
  [2, [masscan(FAR[0], "21-25,80,110,143,443,445")]],
  [1, [nmap(HOME[0], `-sF -p 20-90 ${TARGETS[0]}`), zmap(FAR[3], 23)]],
  [0, [nmap(FAR[2], `-sS -p 20-30,80,443,3389 ${TARGETS[0]}`), zmap(FAR[1], 23)]],
];

async function connect(network: Network): Promise<void> {
  for (const target of TARGETS.slice(1)) {
    await run(words(`ip -n ${network.watched} addr add ${target}/24 dev eth0`));
  }
  for (const source of [...HOME, ...FAR, ...CROWD]) {
    await run(words(`ip -n ${network.scanner} addr add ${source}/32 dev eth0`));
  }
  for (const net of ["198.51.100.0/24", "203.0.113.0/24"]) {
    await run(words(`ip -n ${network.watched} route add ${net} dev eth0`));
  }
}

/** One hour's scans; what the program has kept of them goes into the file of the day. */
async function anHour(network: Network, hoursAgo: number, commands: string[], day: string) {
  await using program = await Program.start({ config: CONFIG, namespace: network.watched });
  for (const command of commands) await network.onScanner(command, { mayFail: true });
  await new Promise((resolve) => setTimeout(resolve, 300));
  await program.stop();
  const state = `${program.folder}/state.db`;
  moveBack(state, hoursAgo);
  if (hoursAgo === HOURS[0][0]) Deno.copyFileSync(state, day);
  else collect(state, day);
}

function moveBack(state: string, hours: number): void {
  const database = new DatabaseSync(state);
  const ms = hours * HOUR_MS;
  database.exec(`UPDATE scans SET first = first - ${ms}, last = last - ${ms};
    UPDATE hours SET hour = hour - ${hours};
    UPDATE blocks SET started = started - ${ms}, ends = ends - ${ms};`);
  database.close();
}

function collect(state: string, day: string): void {
  const database = new DatabaseSync(day);
  database.exec(`ATTACH '${state}' AS other;
    INSERT INTO scans SELECT NULL, source, kind, tool, first, last, packets, ports, targets, sample,
      blocked FROM other.scans;
    INSERT OR REPLACE INTO hours SELECT * FROM other.hours;
    INSERT OR REPLACE INTO blocks SELECT * FROM other.blocks;
    DETACH other`);
  database.close();
}

async function pictures(folder: string): Promise<void> {
  const work = Deno.makeTempDirSync({ prefix: "portsentry-pictures-" });
  try {
    await using network = await Network.create();
    await connect(network);
    for (const [hoursAgo, commands] of HOURS) {
      await anHour(network, hoursAgo, commands, `${work}/day.db`);
    }
    Deno.writeTextFileSync(
      `${work}/portsentry.conf`,
      CONFIG.replaceAll("FOLDER/state.db", `${work}/day.db`).replaceAll("FOLDER", work),
    );
    const report = [...programCommand(work), "report", "-c", `${work}/portsentry.conf`];
    console.log((await run(report)).stdout);
    const page = `${work}/report.html`;
    await run([...report, "--html", page]);
    await using browser = await Browser.start();
    for (const [name, dark] of [["light", false], ["dark", true]] as const) {
      await browser.open(page, { width: 900, dark });
      Deno.writeFileSync(`${folder}/report-${name}.png`, await browser.picture(1250));
    }
    await browser.open(page, { width: 360, height: 740, scale: 2 });
    Deno.writeFileSync(`${folder}/report-phone.png`, await browser.picture(740));
  } finally {
    Deno.removeSync(work, { recursive: true });
  }
}

if (import.meta.main) await pictures(Deno.args[0]);
