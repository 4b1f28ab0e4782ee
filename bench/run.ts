/**
 * Measures the program and prints one table. As root: `make bench`.
 *
 * @module
 */
import { METHODS } from "../tests/system/program.ts";
import { MEASURES } from "./measures.ts";

const cpu = /model name\s*: (.*)/.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? "unknown";
const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
console.log(
  `${new Date().toISOString().slice(0, 10)}, ${navigator.hardwareConcurrency} x ${cpu}, ` +
    `${memory} GiB, Linux ${Deno.osRelease()}, Deno ${Deno.version.deno}\n`,
);
const [, pcap] = METHODS[0];
const [, raw] = METHODS[1];
const rows: Record<string, { pcap: string; raw: string }> = {};
for (const [names, run] of MEASURES) {
  console.error(`measuring: ${names[0]}`);
  const [ofPcap, ofRaw] = [await run(pcap), await run(raw)];
  names.forEach((name, i) => rows[name] = { pcap: ofPcap[i], raw: ofRaw[i] });
}
console.table(rows);
