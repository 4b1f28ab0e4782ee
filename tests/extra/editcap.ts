/**
 * Captures as Wireshark's own tools write them. Those are 127 MB large, so `make test-extra` runs this
 * and the suite does not: there tests/savefiles.ts builds the same formats.
 */
import assert from "node:assert/strict";
import { ethernet, ipv4, tcp } from "../frames.ts";
import { pcap } from "../savefiles.ts";
import { run, words } from "../system/network.ts";
import { programCommand } from "../system/program.ts";

/** What makes B of the capture A, a file of the same packets in a folder F. */
const COMMANDS: [command: string, times: number][] = [
  ["editcap -F pcap F/A F/B", 1],
  ["editcap -F nsecpcap F/A F/B", 1],
  ["editcap -F pcapng F/A F/B", 1],
  ["editcap -F pcapng -a 1:comment F/A F/B", 1],
  ["editcap -F pcap -T rawip -C 14 F/A F/raw", 1],
  ["mergecap -a -F pcapng -w F/B F/raw F/A", 2], // two interfaces of different link types
];

Deno.test("replay reads what editcap and mergecap write like the capture that it was made of", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  try {
    Deno.writeTextFileSync(`${folder}/portsentry.conf`, 'TCP_PORTS="1-1024"');
    const frames = Array.from({ length: 1000 }, (_, i) => ({
      bytes: ethernet(ipv4(tcp({ port: 1 + i }))),
      seconds: 1_795_371_674 + i,
      fraction: i * 997,
    }));
    Deno.writeFileSync(`${folder}/A`, pcap(frames));
    /** The events; that the scans of twice the packets are other ones is no matter here. */
    const replay = async (file: string) => {
      const { stdout } = await run([
        ...programCommand(folder),
        ...["replay", "-c", `${folder}/portsentry.conf`, `${folder}/${file}`],
      ]);
      return stdout.split("\n").filter((line) => line.includes(" Scan from: "));
    };
    const expected = await replay("A");
    assert.equal(expected.length, 1000);
    for (const [command, times] of COMMANDS) {
      await run(words(command.replaceAll("F/", `${folder}/`)));
      const told = await replay(command.endsWith("F/raw") ? "raw" : "B");
      assert.deepEqual(told, Array(times).fill(expected).flat(), command);
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
