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
