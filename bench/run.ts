/**
 * Measures the program and prints one table. As root: `make bench`.
 *
 * @module
 */
import { CONTENDERS } from "./contenders.ts";
import { MEASURES } from "./measures.ts";
import { replayRows } from "./replay.ts";

const cpu = /model name\s*: (.*)/.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? "unknown";
const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
console.log(
  `${new Date().toISOString().slice(0, 10)}, ${navigator.hardwareConcurrency} x ${cpu}, ` +
    `${memory} GiB, Linux ${Deno.osRelease()}, Deno ${Deno.version.deno}\n`,
);
const rows: Record<string, Record<string, string>> = {};
for (const [names, run] of MEASURES) {
  console.error(`measuring: ${names[0]}`);
  for (const contender of CONTENDERS) {
    const figures = await run(contender);
    names.forEach((name, i) => (rows[name] ??= {})[contender.name] = figures[i]);
  }
}
console.table(rows);
console.error("measuring: replay");
console.table(await replayRows());
