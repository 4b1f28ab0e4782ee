import assert from "node:assert/strict";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { OFFENDER_MEMORY_MS } from "../../src/limits.ts";
import { ForeignStateFile, isDamaged, setAside } from "../../src/state/database.ts";
import { type BlockRecord, StateFile } from "../../src/state/state_file.ts";

const NOW = 1_700_000_000_000;

function record(host: string, overrides: Partial<BlockRecord> = {}): BlockRecord {
  return {
    host,
    startMs: NOW,
    endMs: NOW + 3_600_000,
    reason: "TCP port 23",
    count: 1,
    ...overrides,
  };
}

function inFolder(use: (path: string) => void): () => void {
  return () => {
    const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
    try {
      use(`${folder}/deep/state.db`);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

/** The error of opening a file. */
function failure(path: string): unknown {
  try {
    StateFile.open(path).close();
  } catch (error) {
    return error;
  }
  assert.fail("it could be opened");
}

Deno.test(
  "StateFile keeps blocks and counts after it was closed",
  inFolder((path) => {
    const first = StateFile.open(path);
    const blocks = [record("192.0.2.1"), record("2001:db8::/64", { endMs: undefined, count: 3 })];
    first.add(blocks);
    first.close();
    const second = StateFile.open(path);
    assert.deepEqual(second.blocks(), blocks);
    assert.equal(second.blockCount("2001:db8::/64", NOW), 3);
    assert.equal(second.blockCount("192.0.2.9", NOW), 0);
    second.close();
  }),
);

Deno.test(
  "StateFile keeps blocks of a process that was not closed in order",
  inFolder((path) => {
    const script = `import { StateFile } from "${new URL(
      "../../src/state/state_file.ts",
      import.meta.url,
    )}";
      StateFile.open(${JSON.stringify(path)}).add([${JSON.stringify(record("192.0.2.1"))}]);
      Deno.kill(Deno.pid, "SIGKILL");`;
    const { signal } = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--config", new URL("../../deno.json", import.meta.url).pathname, script],
    }).outputSync();
    assert.equal(signal, "SIGKILL");
    const state = StateFile.open(path);
    assert.deepEqual(state.blocks(), [record("192.0.2.1")]);
    state.close();
  }),
);

Deno.test(
  "StateFile.add() renews a block, and takes out those that made room",
  inFolder((path) => {
    const state = StateFile.open(path);
    state.add([record("192.0.2.1"), record("192.0.2.2")]);
    const renewed = record("192.0.2.1", { count: 2 });
    state.add([renewed], ["192.0.2.2"]);
    assert.deepEqual(state.blocks(), [renewed]);
    assert.equal(state.blockCount("192.0.2.2", NOW), 1);
    state.close();
  }),
);

Deno.test(
  "StateFile.add() writes all of a batch or nothing",
  inFolder((path) => {
    const state = StateFile.open(path);
    const wrong = record("192.0.2.2", { reason: undefined as unknown as string });
    assert.throws(() => state.add([record("192.0.2.1"), wrong]));
    assert.deepEqual(state.blocks(), []);
    state.add([record("192.0.2.3")]);
    assert.equal(state.blocks().length, 1);
    state.close();
  }),
);

Deno.test(
  "StateFile.forgive() forgets block and count",
  inFolder((path) => {
    const state = StateFile.open(path);
    state.add([record("192.0.2.1", { count: 5 })]);
    state.forgive(["192.0.2.1", "192.0.2.2"]);
    assert.deepEqual(state.blocks(), []);
    assert.equal(state.blockCount("192.0.2.1", NOW), 0);
    state.close();
  }),
);

Deno.test(
  "StateFile.forget() drops blocks that have ended and offenders of long ago",
  inFolder((path) => {
    const state = StateFile.open(path);
    const lasting = record("192.0.2.3", { endMs: undefined });
    state.add([record("192.0.2.1"), record("192.0.2.2", { endMs: NOW + 1 }), lasting]);
    state.forget(NOW + 1);
    assert.deepEqual(state.blocks().map(({ host }) => host), ["192.0.2.1", "192.0.2.3"]);
    state.forget(NOW + OFFENDER_MEMORY_MS + 1);
    assert.deepEqual(state.blocks(), [lasting]);
    assert.equal(state.blockCount("192.0.2.1", NOW), 0);
    state.close();
  }),
);

Deno.test(
  "StateFile.blockCount() does not count what is long ago",
  inFolder((path) => {
    const state = StateFile.open(path);
    state.add([record("192.0.2.1", { count: 4 })]);
    assert.equal(state.blockCount("192.0.2.1", NOW + OFFENDER_MEMORY_MS), 4);
    assert.equal(state.blockCount("192.0.2.1", NOW + OFFENDER_MEMORY_MS + 1), 0);
    state.close();
  }),
);

Deno.test(
  "StateFile is for its owner alone",
  inFolder((path) => {
    StateFile.open(path).close();
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  }),
);

Deno.test(
  "StateFile.open() calls a cut, a broken and a zeroed database damaged",
  inFolder((path) => {
    const state = StateFile.open(path);
    state.add(Array.from({ length: 2000 }, (_, i) => record(`10.0.${i >> 8}.${i & 0xff}`)));
    state.close();
    const whole = Deno.readFileSync(path);
    Deno.truncateSync(path, whole.length / 2);
    assert.ok(isDamaged(failure(path)));
    Deno.writeFileSync(path, whole.slice().fill(0, 0, 4096));
    assert.ok(isDamaged(failure(path)));
    const broken = whole.slice();
    broken.fill(0xa5, 4096, 8192);
    Deno.writeFileSync(path, broken);
    assert.ok(isDamaged(failure(path)));
  }),
);

Deno.test(
  "StateFile.open() leaves another program's database, and one of another version",
  inFolder((path) => {
    StateFile.open(path).close();
    const later = new DatabaseSync(path);
    later.exec("PRAGMA user_version = 99");
    later.close();
    assert.ok(failure(path) instanceof ForeignStateFile);
    Deno.removeSync(path);
    const other = new DatabaseSync(path);
    other.exec("CREATE TABLE songs (title TEXT)");
    other.close();
    const before = Deno.readFileSync(path);
    assert.ok(failure(path) instanceof ForeignStateFile);
    assert.deepEqual(Deno.readFileSync(path), before);
  }),
);

Deno.test(
  "StateFile.open() leaves what never was a database, however short",
  inFolder((path) => {
    Deno.mkdirSync(dirname(path));
    for (
      const text of ["root:x:0:0\n", "x", "SQLite is fine\n", "no database at all".repeat(1000)]
    ) {
      Deno.writeTextFileSync(path, text);
      assert.ok(failure(path) instanceof ForeignStateFile, text);
      assert.equal(Deno.readTextFileSync(path), text);
    }
  }),
);

const DAMAGED = Deno.makeTempFileSync();

Deno.test("setAside() says what to do when the permission is for the file alone", {
  permissions: { read: [DAMAGED], write: [DAMAGED] },
}, () => {
  assert.throws(() => setAside(DAMAGED), /may not rename the damaged file to \S+: move it away$/);
  Deno.removeSync(DAMAGED);
});

const NAMED = Deno.makeTempFileSync();
const NAMES = ["", "-wal", "-shm", ".damaged", ".damaged-wal", ".damaged-shm"].map((end) =>
  NAMED + end
);

Deno.test("setAside() takes the name that is permitted, and throws nothing away", {
  permissions: { read: NAMES, write: NAMES },
}, () => {
  Deno.writeTextFileSync(NAMED, "one");
  Deno.writeTextFileSync(`${NAMED}-wal`, "its log");
  assert.equal(setAside(NAMED), `${NAMED}.damaged`);
  assert.equal(Deno.readTextFileSync(`${NAMED}.damaged`), "one");
  assert.equal(Deno.readTextFileSync(`${NAMED}.damaged-wal`), "its log");
  Deno.writeTextFileSync(NAMED, "another");
  assert.throws(() => setAside(NAMED), /may not rename the damaged file to \S+: move it away$/);
  assert.equal(Deno.readTextFileSync(`${NAMED}.damaged`), "one");
  for (const name of [NAMED, `${NAMED}.damaged`, `${NAMED}.damaged-wal`]) Deno.removeSync(name);
});

Deno.test(
  "StateFile waits for nobody at the other end of a FIFO",
  inFolder((path) => {
    Deno.mkdirSync(dirname(path));
    assert.ok(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
    using _end = Deno.openSync(path, { read: true, write: true }); // so that this test does not, either
    for (const open of [StateFile.open, StateFile.read]) {
      assert.throws(() => open(path), /it is a FIFO: name a file/);
    }
  }),
);
