/** Debian's package of portsentry 1.2, as it comes: what becomes of its files here. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { parseConfigFile } from "../../src/config/config_file.ts";
import { Network, run, SCANNER, WATCHED } from "./network.ts";
import { eventLine, Program, programCommand } from "./program.ts";

const PACKAGE = fileURLToPath(new URL("../../.tools/debian/portsentry", import.meta.url));

/** A file of the package. tools/setup.sh unpacks it; nothing of it is in this tree. */
function packaged(path: string): string {
  return Deno.readTextFileSync(`${PACKAGE}/${path}`);
}

/** Its configuration, with its folders moved into the program's own. */
const CONFIG = packaged("etc/portsentry/portsentry.conf")
  .replaceAll(/\/(?:etc|var\/lib)\/portsentry\//g, "FOLDER/");
/** Its ignore file, which its start script copies from this one. */
const IGNORE = packaged("etc/portsentry/portsentry.ignore.static");

/** The line of a setting in the configuration, from 1. */
function lineOf(key: string): number {
  const line = CONFIG.split("\n").findIndex((line) => line.startsWith(`${key}=`)) + 1;
  assert.ok(line > 0, `the package's configuration has no ${key}`);
  return line;
}

const DROPPED: [key: string, advice: string][] = [
  [
    "ADVANCED_PORTS_TCP",
    'leave the line out, or, to watch what -atcp did, write TCP_PORTS="1-1023"',
  ],
  [
    "ADVANCED_PORTS_UDP",
    'leave the line out, or, to watch what -audp did, write UDP_PORTS="1-1023"',
  ],
  [
    "ADVANCED_EXCLUDE_TCP",
    "leave the line out: TCP_PORTS alone names the ports to watch, " +
    "and ports of running services are not reported",
  ],
  [
    "ADVANCED_EXCLUDE_UDP",
    "leave the line out: UDP_PORTS alone names the ports to watch, " +
    "and ports of running services are not reported",
  ],
];

Deno.test("the configuration of portsentry 1 is told what to change, a line a key", async () => {
  await using program = Program.spawn({ config: CONFIG, ignore: IGNORE });
  assert.equal(await program.ended(), 1);
  assert.deepEqual(
    program.stderr.trimEnd().split("\n"),
    DROPPED.map(([key, advice]) =>
      `${program.folder}/portsentry.conf:${lineOf(key)}: ` +
      `${key} is a key of portsentry 1 and not in use any more: ${advice}`
    ),
  );
  assert.equal(program.stdout, "");
});

Deno.test("with those lines left out it works", async () => {
  await using network = await Network.create();
  const config = CONFIG.replaceAll(/^ADVANCED_.*\n/gm, "").replace(/^IGNORE_FILE=.*\n/m, "");
  await using program = await Program.start({ config, ignore: IGNORE, namespace: network.watched });
  await network.nmap(`-sS -p 79,113 ${WATCHED.ipv4}`);
  await network.nmap(`-sU -p 9 ${WATCHED.ipv4}`);
  assert.deepEqual(
    (await program.events(2)).sort(),
    [
      eventLine({ source: SCANNER.ipv4, port: 79 }),
      eventLine({ source: SCANNER.ipv4, port: 9, protocol: "UDP", type: "UDP" }),
    ].sort(),
  );
  assert.equal(await program.stop(), 0);
  assert.equal(program.stderr, "");
  assert.equal(program.file("portsentry.history").trimEnd().split("\n").length, 2);
});

Deno.test("every setting that portsentry 1 suggests is taken, or told what to change", () => {
  const suggested = [...CONFIG.matchAll(/^# ?([A-Z_]+ ?=.*)$/gm)].map(([, setting]) => setting);
  assert.ok(suggested.length > 20, `${suggested.length} settings`);
  for (const setting of suggested) {
    const ports = setting.startsWith("TCP_PORTS") ? 'UDP_PORTS="1"' : 'TCP_PORTS="1"';
    const { faults, warnings } = parseConfigFile(
      `${setting.startsWith("UDP_PORTS") ? "" : ports}\n${setting}`,
      "c",
    );
    assert.deepEqual(faults, [], setting);
    const doubtful = /333\.444|ipfwadm|ipchains/.test(setting);
    assert.equal(warnings.length, doubtful ? 1 : 0, setting);
  }
});

Deno.test("the modes of portsentry 1's start script are told what to write", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const { code, stderr, stdout } = await run(
      [...programCommand(folder), "-stcp", "-sudp"],
      { mayFail: true },
    );
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.deepEqual(
      stderr.trimEnd().split("\n"),
      ["TCP", "UDP"].map((protocol) =>
        `portsentry: option '-s${protocol.toLowerCase()}' is of portsentry 1: leave it out, and ` +
        `name the ports in ${protocol}_PORTS: --stealth is the default; ` +
        "one process watches TCP and UDP, and -D puts it into the background"
      ),
    );
  } finally {
    Deno.removeSync(folder);
  }
});
