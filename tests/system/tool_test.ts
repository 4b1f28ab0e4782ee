/**
 * The tools themselves against the fingerprints: `bench/tools.ts` repeats this as often as one wants.
 */
import assert from "node:assert/strict";
import { EVASIONS, ordinary, runScans, TOOL_SCANS, ToolRange } from "./tool_scans.ts";
import { SCANNER, WATCHED } from "./network.ts";

const TIMES = 2;
const RIGHT = 0.95;

Deno.test("Fingerprints name the tools by their packets, whatever the options", async () => {
  await using range = await ToolRange.create();
  const outcomes = await runScans(range, TOOL_SCANS, TIMES);
  for (const family of ["nmap", "masscan", "zmap", "hping3"]) {
    const runs = outcomes.filter(({ tool }) => tool.startsWith(family))
      .flatMap(({ tool, command, names }) => names.map((name) => ({ tool, command, name })));
    const wrong = runs.filter(({ tool, name }) => tool !== name);
    assert.ok(
      runs.length - wrong.length >= RIGHT * runs.length,
      `${wrong.length} of ${runs.length}: ${JSON.stringify(wrong, null, 1)}`,
    );
  }
});

/** All that makes a system's SYN look handmade: no options but one, fragments allowed, a near TTL. */
const ODD_SETTINGS = [
  "net.ipv4.tcp_sack=0",
  "net.ipv4.tcp_timestamps=0",
  "net.ipv4.tcp_window_scaling=0",
  "net.ipv4.ip_no_pmtu_disc=1",
  "net.ipv4.ip_default_ttl=50",
];

/** Connects with a window of its own. */
const ODD_CLIENT = "import socket,sys\nfor p in range(20,26):\n s=socket.socket()\n" +
  " s.setsockopt(socket.IPPROTO_TCP,socket.TCP_WINDOW_CLAMP,int(sys.argv[3]))\n" +
  " s.bind((sys.argv[1],0))\n try: s.connect((sys.argv[2],p))\n except OSError: pass";

Deno.test("Fingerprints name decoys like who sent them", async () => {
  await using range = await ToolRange.create();
  const decoys = [200, 201, 202].map((n) => `192.0.2.${n}`);
  const command = `nmap -n -Pn -sS -D ${decoys.join(",")},ME -p 1-20 ${WATCHED.ipv4}`;
  await range.network.onScanner(command);
  const tools = await range.tools();
  for (const source of [...decoys, SCANNER.ipv4]) {
    assert.equal(tools[source]?.probes, "nmap SYN", source);
  }
});

Deno.test("Fingerprints say that they do not know, where a tool does not tell", async () => {
  await using range = await ToolRange.create();
  for (const { tool, command, names } of await runScans(range, EVASIONS, 1)) {
    assert.deepEqual(names, [tool], command);
  }
});

for (const family of [4, 6] as const) {
  Deno.test(`Fingerprints call no connect() over IPv${family} a tool`, async () => {
    await using range = await ToolRange.create();
    for (const command of ordinary(await range.address(family))) {
      await range.run(command);
      const names = Object.entries(await range.tools())
        .filter(([source]) => source.includes(":") === (family === 6))
        .map(([, { all, probes }]) => [all, probes]);
      assert.deepEqual(names, [["connect", "connect"]], command.join(" "));
    }
  });
}

Deno.test("Fingerprints call no connect() of an oddly configured Linux a tool", async () => {
  await using range = await ToolRange.create();
  const source = await range.address(4);
  for (const setting of ODD_SETTINGS) await range.network.onScanner(`sysctl -qw ${setting}`);
  for (const clamp of [512, 1024, 4096, 65_535]) {
    await range.run(["python3", "-c", ODD_CLIENT, source, WATCHED.ipv4, String(clamp)]);
    const seen = (await range.tools())[source];
    assert.equal(seen?.packets, 6, `window ${clamp}`);
    assert.match(seen.probes, /^(?:unknown|connect)$/, `window ${clamp}`);
  }
});
