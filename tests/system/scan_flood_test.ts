/** Scan sessions in a flood: it is told in few lines, and hides no scan beside it. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { SCAN_ENTRIES } from "../../src/limits.ts";
import { Network, SCANNER, WATCHED } from "./network.ts";
import { summaries, watch } from "./scan_watch.ts";

Deno.test("a flood of spoofed sources is told in a line, and a scan beside it in another", async () => {
  await using network = await Network.create();
  await using program = await watch(network, 'STATE_FILE="FOLDER/state.db"');
  const packets = SCAN_ENTRIES + 10_000;
  const flood = network.onScanner(
    `hping3 -q -S --rand-source -p 23 -c ${packets} -i u20 ${WATCHED.ipv4}`,
    { mayFail: true }, // nobody answers
  );
  await network.nmap(`-sS -p 1001-1100 ${WATCHED.ipv4}`);
  await flood;
  await program.until(
    () => {
      const events = program.eventLines().length;
      return events >= packets * 0.9;
    },
    "most of the flood is told",
    30_000,
  );
  assert.equal(await program.stop(), 0);
  const told = summaries(program);
  const [scan] = told.filter(({ kind }) => kind === "vertical");
  assert.deepEqual([scan.from, scan.packets], [SCANNER.ipv4, "100"]);
  const crowd = told.filter(({ kind }) => kind === "distributed");
  assert.equal(crowd.length, 1);
  assert.ok(Number.parseInt(crowd[0].from) > SCAN_ENTRIES, crowd[0].from);
  assert.equal(crowd[0].sample, "tcp/23");
  // Of as many random addresses, the odd one may come again.
  assert.ok(told.length <= 5, JSON.stringify(told));
  using database = new DatabaseSync(`${program.folder}/state.db`, { readOnly: true });
  const { many } = database.prepare("SELECT count(*) AS many FROM scans").get()!;
  assert.ok(Number(many) <= 10, `${many} rows`);
});
