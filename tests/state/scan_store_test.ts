import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import {
  REPORT_MEMORY_MS,
  SCAN_ROWS,
  SCAN_ROWS_AT_ONCE,
  SCAN_ROWS_WAITING,
} from "../../src/limits.ts";
import { ForeignStateFile } from "../../src/state/database.ts";
import { type ScanRow, ScanStore, type StoreCounts } from "../../src/state/scan_store.ts";
import { StateFile } from "../../src/state/state_file.ts";

const HOUR_MS = 3_600_000;
const HOUR = Math.floor(Date.now() / HOUR_MS);
const NOW = HOUR * HOUR_MS + 1000;

function scan(changes: Partial<ScanRow> = {}): ScanRow {
  return {
    source: "192.0.2.9",
    kind: "vertical",
    tool: "nmap SYN",
    firstMs: NOW - 5000,
    lastMs: NOW,
    packets: 1000,
    ports: 1000,
    targets: 1,
    samplePorts: ["tcp/23", "tcp/80"],
    blocked: true,
    ...changes,
  };
}

interface Rig {
  path: string;
  told: string[];
  open: (nowMs?: number) => ScanStore;
  counts: StoreCounts;
  all: (query: string) => Record<string, unknown>[];
}

function inFolder(use: (rig: Rig) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
    const path = `${folder}/state.db`;
    const told: string[] = [];
    const log = {
      error: (text: string) => told.push(text),
      notice: (text: string) => told.push(text),
    };
    const all = (query: string) => {
      const database = new DatabaseSync(path, { readOnly: true });
      try {
        return database.prepare(query).all();
      } finally {
        database.close();
      }
    };
    try {
      const counts = { lost: 0 };
      const open = (nowMs = NOW) => new ScanStore(path, log, nowMs, counts);
      await use({ path, told, all, counts, open });
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

Deno.test(
  "ScanStore writes scans and hours by itself, together, and nothing while nothing happens",
  inFolder(async ({ open, all, told }) => {
    const store = open(Date.now());
    store.add([scan(), scan({ source: "2001:db8::9", samplePorts: [] })]);
    store.count({ protocol: "TCP", port: 23, type: "TCP SYN/Normal scan" });
    store.countBlock();
    assert.deepEqual(all("SELECT * FROM scans"), []);
    await new Promise((resolve) => setTimeout(resolve, 1300));
    assert.deepEqual(
      all("SELECT source, sample, blocked FROM scans").map((row) => ({ ...row })),
      [
        { source: "192.0.2.9", sample: "tcp/23,tcp/80", blocked: 1 },
        { source: "2001:db8::9", sample: "", blocked: 1 },
      ],
    );
    const what = () =>
      all("SELECT what, value, events FROM hours ORDER BY what").map(Object.values);
    assert.deepEqual(what(), [
      ["blocks", "", 1],
      ["port", "tcp/23", 1],
      ["protocol", "TCP", 1],
      ["type", "TCP SYN/Normal scan", 1],
    ]);
    store.close();
    assert.deepEqual(told, []);
  }),
);

Deno.test(
  "ScanStore goes on with the hour of a run before, and begins a new hour when it comes",
  inFolder(({ open, all }) => {
    const event = { protocol: "UDP", port: 161, type: "UDP" } as const;
    for (let run = 0; run < 3; run++) {
      const store = open();
      store.count(event);
      store.write(NOW);
      store.close();
    }
    const store = open();
    store.count(event);
    store.write(NOW + HOUR_MS);
    store.count(event);
    store.write(NOW + HOUR_MS + 1000);
    store.close();
    const rows = all("SELECT hour, events FROM hours WHERE what = 'port' ORDER BY hour");
    assert.deepEqual(rows.map(Object.values), [[HOUR, 4], [HOUR + 1, 1]]);
  }),
);

Deno.test(
  "ScanStore tells that it cannot read an hour that begins, and keeps what waits",
  inFolder(({ path, open, all, told }) => {
    const next = (HOUR + 1) * HOUR_MS;
    const store = open();
    store.write(next - 1000);
    const database = new DatabaseSync(path);
    database.exec("ALTER TABLE hours RENAME TO elsewhere");
    store.add([scan()]);
    store.write(next);
    assert.match(
      told.join(),
      /^Cannot keep what is scanned in STATE_FILE .*: no such table: hours/,
    );
    assert.equal(all("SELECT count(*) AS n FROM scans")[0].n, 0);
    database.exec("ALTER TABLE elsewhere RENAME TO hours");
    database.close();
    store.write(next);
    assert.equal(all("SELECT count(*) AS n FROM scans")[0].n, 1);
    assert.match(told[1], /takes what is scanned again$/);
    store.close();
  }),
);

Deno.test(
  "ScanStore tells once that its file was deleted, and reports lack what comes",
  inFolder(({ path, open, told }) => {
    const store = open();
    for (let i = 0; i < 3; i++) {
      store.countBlock();
      store.write(NOW);
      if (i === 0) Deno.removeSync(path);
    }
    store.close();
    assert.equal(told.length, 1, told.join());
    assert.match(
      told[0],
      /^STATE_FILE \S+ is not there any more, .* until portsentry is restarted$/,
    );
  }),
);

Deno.test(
  "ScanStore writes no more in a turn than it may, and the rest at the end",
  inFolder(({ open, all }) => {
    const store = open();
    store.add(Array.from({ length: SCAN_ROWS_AT_ONCE + 10 }, () => scan()));
    store.write(NOW);
    assert.equal(all("SELECT count(*) AS n FROM scans")[0].n, SCAN_ROWS_AT_ONCE);
    store.close();
    assert.equal(all("SELECT count(*) AS n FROM scans")[0].n, SCAN_ROWS_AT_ONCE + 10);
  }),
);

Deno.test(
  "ScanStore forgets what is long ago, and the oldest scans when there are too many",
  inFolder(({ path, open, all }) => {
    open().close();
    const database = new DatabaseSync(path);
    database.exec(`INSERT INTO scans (source, kind, tool, first, last, packets, ports, targets,
      sample, blocked) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${
      SCAN_ROWS + 5
    }) SELECT 'x', 'probe', '', ${NOW} + i, ${NOW} + i, 1, 1, 1, '', 0 FROM n;
      INSERT INTO hours VALUES (1, 'blocks', '', 1), (${HOUR}, 'blocks', '', 2)`);
    database.exec(`UPDATE scans SET last = ${NOW - REPORT_MEMORY_MS - 1} WHERE id = 100`);
    database.close();
    const store = open();
    store.add([scan({ lastMs: NOW + HOUR_MS })]);
    store.write(NOW);
    store.close();
    const [{ n, first }] = all("SELECT count(*) AS n, min(last) AS first FROM scans");
    assert.equal(n, SCAN_ROWS);
    assert.equal(first, NOW + 6); // of 1 to SCAN_ROWS + 5 and one more, five had to go besides 100
    assert.deepEqual(all("SELECT hour FROM hours").map(({ hour }) => hour), [HOUR]);
  }),
);

Deno.test(
  "ScanStore counts what it has no room for, beside what the one before has lost",
  inFolder(({ open, counts }) => {
    const store = open();
    store.add(Array.from({ length: SCAN_ROWS_WAITING - 1 }, () => scan()));
    assert.equal(store.lost, 0);
    store.add([scan(), scan(), scan()]);
    assert.equal(store.lost, 2);
    store.close();
    const next = open();
    next.add(Array.from({ length: SCAN_ROWS_WAITING + 1 }, () => scan()));
    assert.equal(counts.lost, 3);
    next.close();
  }),
);

Deno.test(
  "ScanStore tells once that nothing can be written, keeps it, and writes it when it can",
  inFolder(({ path, open, all, told }) => {
    const store = open();
    const other = new DatabaseSync(path);
    other.exec("PRAGMA busy_timeout = 0; BEGIN IMMEDIATE");
    store.add([scan()]);
    store.count({ protocol: "TCP", port: 23, type: "x" });
    store.write(NOW);
    store.write(NOW);
    assert.equal(told.length, 1);
    assert.match(
      told[0],
      /^Cannot keep what is scanned in STATE_FILE .*state\.db: database is locked: reports will lack/,
    );
    other.exec("COMMIT");
    other.close();
    store.write(NOW);
    assert.match(told[1], /takes what is scanned again/);
    assert.equal(all("SELECT * FROM scans").length, 1);
    store.close();
    assert.equal(store.lost, 0);
  }),
);

Deno.test(
  "ScanStore and StateFile share a file, in any order of their ends",
  inFolder(({ path, open, told }) => {
    const block = { host: "192.0.2.1", startMs: NOW, endMs: undefined, reason: "", count: 1 };
    for (const storeFirst of [true, false]) {
      const state = StateFile.open(path);
      const store = open();
      state.add([block]);
      store.add([scan()]);
      for (const one of storeFirst ? [store, state] : [state, store]) one.close();
      assert.throws(() => Deno.statSync(`${path}-wal`), Deno.errors.NotFound);
    }
    assert.deepEqual(told, []);
  }),
);

/** What version 1 of this program has written. */
function writeVersion1(path: string): void {
  const database = new DatabaseSync(path);
  database.exec(`
    CREATE TABLE blocks (host TEXT PRIMARY KEY, started INTEGER NOT NULL, ends INTEGER,
      reason TEXT NOT NULL, count INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE offenders (host TEXT PRIMARY KEY, last INTEGER NOT NULL, count INTEGER NOT NULL)
      STRICT, WITHOUT ROWID;
    CREATE INDEX offenders_by_last ON offenders (last);
    PRAGMA application_id = 0x5053656e; PRAGMA user_version = 1;
    INSERT INTO blocks VALUES ('192.0.2.7', ${NOW}, NULL, 'TCP port 23', 2);
    INSERT INTO offenders VALUES ('192.0.2.7', ${NOW}, 2);`);
  database.close();
}

Deno.test(
  "ScanStore brings a file of version 1 up to date, and loses no block of it",
  inFolder(({ path, open, all }) => {
    writeVersion1(path);
    const store = open();
    store.add([scan()]);
    store.close();
    assert.equal(all("PRAGMA user_version")[0].user_version, 2);
    const state = StateFile.open(path);
    assert.deepEqual(state.blocks().map(({ host, count }) => [host, count]), [["192.0.2.7", 2]]);
    assert.equal(state.blockCount("192.0.2.7", NOW), 2);
    state.close();
    assert.equal(all("SELECT * FROM scans").length, 1);
  }),
);

Deno.test(
  "StateFile.open() brings a file of version 1 up to date or leaves it whole",
  inFolder(({ path, all }) => {
    writeVersion1(path);
    const blocking = new DatabaseSync(path);
    blocking.exec("CREATE TABLE scans (something TEXT)"); // in the way of version 2
    blocking.close();
    assert.throws(() => StateFile.open(path), /already exists/);
    assert.equal(all("PRAGMA user_version")[0].user_version, 1);
    assert.deepEqual(all("SELECT name FROM sqlite_schema WHERE name = 'hours'"), []);
  }),
);

Deno.test(
  "ScanStore leaves a file of a later version alone",
  inFolder(({ path, open }) => {
    open().close();
    const later = new DatabaseSync(path);
    later.exec("PRAGMA user_version = 3");
    later.close();
    const before = Deno.readFileSync(path);
    assert.throws(() => open(), ForeignStateFile);
    assert.deepEqual(Deno.readFileSync(path), before);
  }),
);

Deno.test(
  "ScanStore lets go of a file that lacks a table",
  inFolder(({ path, open }) => {
    StateFile.open(path).close();
    const database = new DatabaseSync(path);
    database.exec("DROP TABLE hours");
    database.close();
    assert.throws(() => open(), /no such table/);
    const files = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/self/fd/${name}`);
      } catch {
        return ""; // that of the list itself
      }
    });
    assert.deepEqual(files.filter((file) => file.startsWith(path)), []);
  }),
);
