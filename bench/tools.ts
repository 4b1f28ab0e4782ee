/**
 * How often the tools themselves are named right: `deno run -A bench/tools.ts [TIMES]` scans between
 * two network namespaces, each command of the tests so many times (20), and writes a table in Markdown.
 *
 * @module
 */
import { ordinary, runScans, TOOL_SCANS, ToolRange } from "../tests/system/tool_scans.ts";

const TIMES = Number(Deno.args[0] ?? 20);
const PER_RANGE = 200; // addresses of a network

function row(command: string, tool: string, names: string[]): void {
  const right = names.filter((name) => name === tool).length;
  const wrong = [...new Set(names.filter((name) => name !== tool))].join(", ");
  console.log(`| \`${command}\` | ${tool} | ${right} of ${names.length} | ${wrong || "–"} |`);
}

/** A command without what only the network of the tests needs. */
function short(command: string): string {
  return command
    .replace(/ (?:-S|-a|--source-ip) SOURCE/, "")
    .replace(/ (?:-e|-i) eth0/, "")
    .replace(/ (?:-G|--router-mac) \S+/, "")
    .replace(/ -b EMPTY -o \S+ -c 0 -q -v 0/, "")
    .replace(/ -n -Pn --max-retries 0 --host-timeout 20s/, "")
    .replace(/ --wait 0/, "");
}

console.log("| command | tool | named right | otherwise |\n| --- | --- | --- | --- |");
const perTable = Math.max(1, Math.floor(PER_RANGE / TIMES));
for (let i = 0; i < TOOL_SCANS.length; i += perTable) {
  await using range = await ToolRange.create();
  for (
    const { command, tool, names } of await runScans(
      range,
      TOOL_SCANS.slice(i, i + perTable),
      TIMES,
    )
  ) row(short(command), tool, names);
}
for (const family of [4, 6] as const) {
  await using range = await ToolRange.create();
  for (const command of ordinary(await range.address(family))) {
    const names: string[] = [];
    for (let i = 0; i < TIMES; i++) {
      await range.run(command);
      names.push(...Object.values(await range.tools()).map(({ all }) => all));
    }
    row(
      `${command[0].split("/").at(-1)} ${command[0] === "nmap" ? "-sT" : ""}`.trim() +
        ` over IPv${family}`,
      "connect",
      names,
    );
  }
}
