/**
 * How fast `portsentry replay` reads a capture: packets that are no probes, and a flood of probes, as
 * they are and compressed.
 *
 * @module
 */
import { ethernet, ipv4, tcp } from "../tests/frames.ts";
import { programCommand } from "../tests/system/program.ts";
import { writeFlood } from "./rig.ts";

const PACKETS = 1_000_000;
const RUNS = 3;
const ACK = 0x10;

/** A row for each capture: the best of three, from exec to exit, with all lines written to a file. */
export async function replayRows(): Promise<Record<string, Record<string, string>>> {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-bench-" });
  try {
    Deno.writeTextFileSync(`${folder}/portsentry.conf`, 'TCP_PORTS="1-1024"\n');
    writeFlood(`${folder}/probes`, PACKETS);
    writeFlood(`${folder}/others`, PACKETS, ethernet(ipv4(tcp({ port: 443, flags: ACK }))));
    const rows: Record<string, Record<string, string>> = {};
    for (const [file, name] of [["others", "no probes"], ["probes", "probes"]]) {
      await new Deno.Command("gzip", { args: ["-k", `${folder}/${file}`] }).output();
      const row: Record<string, string> = rows[`replay of 1,000,000 ${name}: packets a second`] =
        {};
      row["pcap"] = rateText(await best(folder, file));
      row["pcap, gzip'd"] = rateText(await best(folder, `${file}.gz`));
      row["pcap, --json"] = rateText(await best(folder, file, "--json"));
    }
    return rows;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** The shortest time in milliseconds. */
async function best(folder: string, file: string, ...options: string[]): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const begin = performance.now();
    const { code } = await new Deno.Command("sh", {
      args: [
        ...["-c", `exec "$@" >${folder}/lines`, "sh"],
        ...programCommand(folder),
        ...["replay", "-c", `${folder}/portsentry.conf`, ...options, `${folder}/${file}`],
      ],
      stdin: "null",
    }).output();
    if (code !== 0) throw new Error(`replay of ${file} has ended with ${code}`);
    times.push(performance.now() - begin);
  }
  return Math.min(...times);
}

function rateText(ms: number): string {
  return `${(PACKETS / ms / 1000).toFixed(1)} million`;
}
