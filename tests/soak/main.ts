/**
 * `make soak`: the program under mixed load, through libpcap and through packet sockets at once, or by
 * the one method that is named. SOAK_SECONDS is how long, 600 unless it says otherwise.
 *
 * @module
 */
import { type Finding, soak } from "./soak.ts";

const seconds = Number(Deno.env.get("SOAK_SECONDS") || 600);
const methods = Deno.args.length > 0 ? Deno.args : ["pcap", "raw"];

console.log(`${seconds} s of mixed load, by ${methods.join(" and ")}`);
const found = await Promise.all(methods.map((method) => soak(method, seconds)));
found.forEach((findings, i) => console.log(`\n${table(`-m ${methods[i]}`, findings)}`));
const failed = found.flat().filter(([, , , good]) => !good).length;
console.log(`\n${failed === 0 ? "all good" : `${failed} findings are not good`}`);
Deno.exit(failed === 0 ? 0 : 1);

/** A table of Markdown, for docs/reliability.md. */
function table(head: string, findings: Finding[]): string {
  const rows = [
    [head, "found", "bound", ""],
    ["---", "---", "---", "---"],
    ...findings.map((
      [name, found, bound, good],
    ) => [name, found, bound, good ? "good" : "NOT GOOD"]),
  ];
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i], cell === "---" ? "-" : " ")).join(" | ")} |`
  ).join("\n");
}
