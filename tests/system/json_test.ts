import assert from "node:assert/strict";
import { validLine } from "../log/events_schema.ts";
import { Network, SCANNER, WATCHED } from "./network.ts";
import { eventLine, METHODS, Program } from "./program.ts";

// deno-lint-ignore no-explicit-any -- the schema says what they are
function linesOf(text: string): any[] {
  return text.trimEnd().split("\n").map(validLine);
}

/** The classic line of an event in JSON, of a source without a name. */
// deno-lint-ignore no-explicit-any -- the schema says what it is
function classicLine({ source, destination, network, portsentry }: any): string {
  const { ignored, triggered, noblock, blocked } = portsentry;
  return eventLine({
    source: source.ip,
    port: destination.port,
    protocol: network.transport.toUpperCase(),
    type: portsentry.type,
    options: portsentry.ip_options,
    flags: [ignored, triggered, noblock, blocked].map((flag) => String(flag ?? "unset")),
  });
}

for (const [name, method] of METHODS.slice(0, 2)) {
  Deno.test(`${name} --log-format json tells all in JSON, and the history as it is set`, async () => {
    await using network = await Network.create();
    await using program = await Program.start({
      ...method,
      config: 'TCP_PORTS="1-100"\nUDP_PORTS="9"\nHISTORY_FILE="FOLDER/history"\n' +
        'BLOCK_TCP="1"\nKILL_ROUTE="exit 1 # $TARGET$"\nLOCKOUT_GUARD="0"',
      permissions: ["--allow-run=/bin/sh"],
      namespace: network.watched,
      args: [...method.args, "-v", "--log-format", "json"],
    });
    const start = Date.now();
    await network.nmap(`-sS -p 1-20 ${WATCHED.ipv4}`);
    await network.nmap(`-6 -sN -p 23 ${WATCHED.ipv6}`);
    await network.nmap(`-sU -p 9 ${WATCHED.ipv4}`);
    const probes = () => program.stdout.split("\n").filter((line) => line.includes('"probe"'));
    await program.until(() => probes().length >= 22, "there are 22 events");
    assert.equal(await program.stop(), 0);
    const lines = linesOf(program.stdout);
    const events = lines.filter(({ event }) => event.dataset === "portsentry.event");
    assert.equal(events.length, 22);
    for (const { source, destination, ...event } of events) {
      const time = Date.parse(event["@timestamp"]);
      assert.ok(time >= start - 1000 && time <= Date.now(), event["@timestamp"]);
      assert.ok([SCANNER.ipv4, SCANNER.ipv6].includes(source.ip));
      assert.ok(source.port > 0);
      assert.equal(destination.ip, source.ip === SCANNER.ipv4 ? WATCHED.ipv4 : WATCHED.ipv6);
    }
    const messages = lines.filter(({ message }) => message !== undefined);
    const told = messages.map(({ log, message }) => `${log.level}: ${message}`);
    assert.ok(told.some((text) => text.startsWith("info: Watching ")), told.join("\n"));
    assert.ok(told.includes("notice: Portsentry is now active and listening."));
    assert.equal(told.at(-1), "notice: Portsentry is shutting down");
    // The command fails for each host, and that is told.
    for (const { log } of linesOf(program.stderr)) assert.equal(log.level, "error");
    const history = program.file("history").trimEnd().split("\n").map((line) => line.slice(29));
    assert.deepEqual(history, events.map(classicLine));
  });
}

Deno.test('HISTORY_FORMAT="json" is for the history file, from a reload on, too', async () => {
  await using network = await Network.create();
  const config = 'TCP_PORTS="1-100"\nHISTORY_FILE="FOLDER/history"';
  await using program = await Program.start({ config, namespace: network.watched });
  const path = `${program.folder}/portsentry.conf`;
  await network.nmap(`-sS -p 1 ${WATCHED.ipv4}`);
  await program.events(1);
  Deno.renameSync(`${program.folder}/history`, `${program.folder}/history.1`);
  Deno.writeTextFileSync(path, `${Deno.readTextFileSync(path)}\nHISTORY_FORMAT="json"\n`);
  program.child.kill("SIGHUP");
  await program.until(() => program.stdout.includes("read again"), "it has read the file again");
  await network.nmap(`-sS -p 2 ${WATCHED.ipv4}`);
  await program.events(2);
  assert.equal(await program.stop(), 0);
  assert.match(program.file("history.1"), /^\S+ Scan from: .* port: \[1\] .*\n$/);
  const [event, ...more] = linesOf(program.file("history"));
  assert.deepEqual(more, []);
  assert.equal(classicLine(event), program.eventLines()[1]);
});
