/** METRICS: what a scrape of the running program says. */
import assert from "node:assert/strict";
import { readExposition, type Sample } from "../metrics/exposition_grammar.ts";
import { Network, WATCHED } from "./network.ts";
import { Program, type ProgramOptions } from "./program.ts";

const PORT = 9187;
const ALLOWED: ProgramOptions = { permissions: [`--allow-net=127.0.0.1:${PORT}`] };

async function scrape(network: Network): Promise<Map<string, Sample[]>> {
  const script = `const r = await fetch("http://127.0.0.1:${PORT}/metrics");` +
    `console.log(r.status === 200 ? (await r.text()).trimEnd() : r.status)`;
  const { stdout } = await new Deno.Command("ip", {
    args: ["netns", "exec", network.watched, Deno.execPath(), "eval", script],
  }).output();
  return readExposition(new TextDecoder().decode(stdout));
}

function value(families: Map<string, Sample[]>, name: string, labels: Record<string, string> = {}) {
  const found = families.get(name)?.filter((sample) =>
    Object.entries(labels).every(([key, text]) => sample.labels[key] === text)
  );
  assert.equal(found?.length, 1, `${name} ${JSON.stringify(labels)}`);
  return found![0].value;
}

Deno.test("METRICS tells what real scans were, and what came of them", async () => {
  await using network = await Network.create();
  await using program = await Program.start({
    config: `TCP_PORTS="1-1024"\nUDP_PORTS="53"\nMETRICS="127.0.0.1:${PORT}"\n` +
      `CONTROL_SOCKET="FOLDER/control.sock"\nSTATE_FILE="FOLDER/state.db"\n` +
      `BLOCK_UDP="1"\nFIREWALL="nftables"\nSCAN_WINDOW="1s"`,
    namespace: network.watched,
    ...ALLOWED,
  });
  await network.nmap(`-sS -p 20-29 ${WATCHED.ipv4}`);
  await network.nmap(`-sX -p 23 ${WATCHED.ipv4}`);
  await program.events(11);
  await network.nmap(`-sU -p 53 ${WATCHED.ipv4}`);
  await program.until(() => program.stdout.includes("blocked: [true]"), "the host is blocked");
  const families = await scrape(network);
  const probes = "portsentry_probes_total";
  assert.equal(value(families, probes, { protocol: "tcp", type: "syn" }), 10);
  assert.equal(value(families, probes, { protocol: "tcp", type: "xmas" }), 1);
  assert.ok(value(families, probes, { protocol: "udp", type: "udp" }) >= 1);
  assert.equal(value(families, "portsentry_events_total", { outcome: "logged" }), 11);
  // nmap sends several payloads to a port, all of them before the block is there.
  assert.ok(value(families, "portsentry_events_total", { outcome: "blocked" }) >= 1);
  assert.equal(value(families, "portsentry_blocks"), 1);
  assert.equal(value(families, "portsentry_blocks_made_total"), 1);
  assert.equal(value(families, "portsentry_blocks_lifted_total"), 0);
  assert.equal(value(families, "portsentry_kernel_drops_total"), 0);
  const lag = families.get("portsentry_capture_lag_seconds")!;
  assert.ok(lag.find(({ name }) => name.endsWith("_count"))!.value >= 12);
  assert.ok(lag.find(({ name }) => name.endsWith("_sum"))!.value < 12);
  await program.until(() => program.stdout.includes("Scan summary: "), "a scan has ended");
  const scans = (await scrape(network)).get("portsentry_scans_total")!;
  assert.ok(scans.reduce((sum, { value }) => sum + value, 0) >= 1);
  await program.command("unblock", "--all");
  const after = await scrape(network);
  assert.equal(value(after, "portsentry_blocks"), 0);
  assert.equal(value(after, "portsentry_blocks_lifted_total"), 1);
  assert.equal(await program.stop(), 0);
  assert.equal(program.stderr, "");
});

Deno.test("METRICS follows a reload", async () => {
  await using network = await Network.create();
  await using program = await Program.start({
    config: `TCP_PORTS="1-10"\nCONTROL_SOCKET="FOLDER/control.sock"\nMETRICS="127.0.0.1:${PORT}"\n`,
    namespace: network.watched,
    ...ALLOWED,
  });
  const file = `${program.folder}/portsentry.conf`;
  const config = Deno.readTextFileSync(file);
  Deno.writeTextFileSync(file, config.replace(/^METRICS.*$/m, ""));
  assert.equal((await program.command("reload")).code, 0);
  await assert.rejects(scrape(network));
  Deno.writeTextFileSync(file, config);
  assert.equal((await program.command("reload")).code, 0);
  assert.equal(value(await scrape(network), "portsentry_packets_total"), 0);
});

Deno.test("METRICS that were not there at the start take a restart: the network was given up", async () => {
  await using network = await Network.create();
  await using program = await Program.start({
    config: `TCP_PORTS="1-10"\nCONTROL_SOCKET="FOLDER/control.sock"`,
    namespace: network.watched,
    ...ALLOWED,
  });
  const file = `${program.folder}/portsentry.conf`;
  Deno.writeTextFileSync(file, `${Deno.readTextFileSync(file)}\nMETRICS="127.0.0.1:${PORT}"\n`);
  const { code, stdout } = await program.command("reload");
  assert.equal(code, 1);
  assert.match(stdout, /METRICS are served: what that needs was given up at the start: restart/);
});

Deno.test("METRICS without its Deno permission is refused, and the flag named", async () => {
  await using program = Program.spawn({
    config: 'TCP_PORTS="1-10"\nMETRICS="[::1]:9187"',
    args: ["-i", "lo"],
  });
  assert.equal(await program.ended(), 1);
  assert.match(
    program.stderr,
    /portsentry\.conf: METRICS needs a Deno permission that this run lacks: --allow-net=\[::1\]:9187\n/,
  );
});

Deno.test("METRICS on an address that is taken is refused; one that others reach is warned of", async () => {
  await using network = await Network.create();
  await using first = await Program.start({
    config: `TCP_PORTS="1-10"\nCONTROL_SOCKET="FOLDER/c"\nMETRICS="0.0.0.0:${PORT}"`,
    namespace: network.watched,
    permissions: [`--allow-net=0.0.0.0:${PORT}`],
  });
  assert.match(
    first.stderr,
    /portsentry\.conf:3: METRICS="0\.0\.0\.0:9187" answers whoever can reach that address: write "127/,
  );
  await using second = Program.spawn({
    config: `TCP_PORTS="1-10"\nCONTROL_SOCKET="FOLDER/c"\nMETRICS="0.0.0.0:${PORT}"`,
    namespace: network.watched,
    permissions: [`--allow-net=0.0.0.0:${PORT}`],
  });
  assert.equal(await second.ended(), 1);
  assert.match(second.stderr, /METRICS="0\.0\.0\.0:9187": cannot listen there: .*in use/i);
});
