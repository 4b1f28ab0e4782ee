/**
 * What has to outlive a crash and a reboot, in one SQLite file: the blocks in force, and who has been
 * blocked before.
 *
 * The file is a convenience and never a condition: when it cannot be read or written, that is told, and
 * the watch goes on with what is in memory.
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { dirname } from "node:path";
import { OFFENDER_MEMORY_MS, OFFENDERS } from "../limits.ts";

/** A host or network that is blocked. Times are of the wall clock, in milliseconds since 1970. */
export interface BlockRecord {
  /** An address, or an IPv6 network such as `2001:db8::/64`. */
  host: string;
  startMs: number;
  /** Undefined: until somebody lifts it. */
  endMs: number | undefined;
  /** What it was blocked for, for people. */
  reason: string;
  /** How many times this host has been blocked, this one included. */
  count: number;
}

/** The file holds something else than a state of this program, and is left as it is. */
export class ForeignStateFile extends Error {
  override name = "ForeignStateFile";
}

const APPLICATION_ID = 0x5053_656e; // "PSen", so that file(1) and we know our own
const VERSION = 1;

const SCHEMA = `
  CREATE TABLE blocks (
    host TEXT PRIMARY KEY, started INTEGER NOT NULL, ends INTEGER, reason TEXT NOT NULL,
    count INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE offenders (
    host TEXT PRIMARY KEY, last INTEGER NOT NULL, count INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX offenders_by_last ON offenders (last);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${VERSION};
`;

/** An open state. */
export class StateFile {
  readonly #database: DatabaseSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #count: StatementSync;
  readonly #offend: StatementSync;
  readonly #forgive: StatementSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
    this.#put = database.prepare("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?)");
    this.#remove = database.prepare("DELETE FROM blocks WHERE host = ?");
    this.#count = database.prepare("SELECT count FROM offenders WHERE host = ? AND last >= ?");
    this.#offend = database.prepare("INSERT OR REPLACE INTO offenders VALUES (?, ?, ?)");
    this.#forgive = database.prepare("DELETE FROM offenders WHERE host = ?");
  }

  /**
   * Opens the file, and makes it with its folder when it is not there.
   *
   * @throws {ForeignStateFile} when it is somebody else's, or a later version's
   * @throws {Error} when it is damaged (see {@link isDamaged}) or cannot be used
   */
  static open(path: string): StateFile {
    Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (!exists(path)) Deno.writeFileSync(path, new Uint8Array(), { createNew: true, mode: 0o600 });
    const database = new DatabaseSync(path, { timeout: 1000 });
    try {
      prepare(database);
      return new StateFile(database);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /**
   * The blocks of a file that cannot be written, as on a read-only file system.
   *
   * @throws {Error} when it cannot be read, either
   */
  static read(path: string): BlockRecord[] {
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      return blocksOf(database);
    } finally {
      database.close();
    }
  }

  /** A state that is in memory alone. */
  static inMemory(): StateFile {
    const database = new DatabaseSync(":memory:");
    database.exec(SCHEMA);
    return new StateFile(database);
  }

  /** All blocks, those that have ended meanwhile too. */
  blocks(): BlockRecord[] {
    return blocksOf(this.#database);
  }

  /** How many times a host has been blocked, as far as that is remembered. */
  blockCount(host: string, nowMs: number): number {
    return Number(this.#count.get(host, nowMs - OFFENDER_MEMORY_MS)?.count ?? 0);
  }

  /**
   * Writes new blocks, and that they make their hosts offenders, all or nothing.
   *
   * @throws {Error} when the disk takes none of it
   */
  add(blocks: readonly BlockRecord[], removed: readonly string[] = []): void {
    this.#transaction(() => {
      for (const host of removed) this.#remove.run(host);
      for (const block of blocks) {
        this.#putOne(block);
        this.#offend.run(block.host, block.startMs, block.count);
      }
    });
  }

  /**
   * Takes blocks out, and forgets what their hosts did before, all or nothing.
   *
   * @throws {Error} when the disk takes none of it
   */
  forgive(hosts: readonly string[]): void {
    this.#transaction(() => {
      for (const host of hosts) {
        this.#remove.run(host);
        this.#forgive.run(host);
      }
    });
  }

  /** Makes these all the blocks there are. @throws {Error} when the disk takes none of it */
  replace(blocks: Iterable<BlockRecord>): void {
    this.#transaction(() => {
      this.#database.exec("DELETE FROM blocks");
      for (const block of blocks) this.#putOne(block);
    });
  }

  /**
   * Forgets what is over: blocks that have ended, and offenders that were not seen for long or are
   * too many.
   *
   * @throws {Error} when the disk takes none of it
   */
  forget(nowMs: number): void {
    this.#transaction(() => {
      this.#database.prepare("DELETE FROM blocks WHERE ends <= ?").run(nowMs);
      this.#database.prepare("DELETE FROM offenders WHERE last < ?")
        .run(nowMs - OFFENDER_MEMORY_MS);
      const { many } = this.#database.prepare("SELECT count(*) AS many FROM offenders").get()!;
      const excess = Number(many) - OFFENDERS;
      if (excess > 0) {
        this.#database.prepare(
          "DELETE FROM offenders WHERE host IN (SELECT host FROM offenders ORDER BY last LIMIT ?)",
        ).run(excess);
      }
    });
  }

  /**
   * Leaves one file without a log beside it, which can also be read where nothing can be written.
   *
   * @throws {Error} when the disk does not take what the log has; it is there at the next start
   */
  close(): void {
    try {
      this.#database.exec("PRAGMA journal_mode = DELETE");
    } finally {
      this.#database.close();
    }
  }

  #putOne({ host, startMs, endMs, reason, count }: BlockRecord): void {
    this.#put.run(
      host,
      Math.round(startMs),
      endMs === undefined ? null : Math.round(endMs),
      reason,
      count,
    );
  }

  #transaction(change: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      change();
      this.#database.exec("COMMIT");
    } catch (error) {
      // A full disk may have ended the transaction already.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }
}

function blocksOf(database: DatabaseSync): BlockRecord[] {
  return database.prepare("SELECT * FROM blocks").all().map((row) => ({
    host: String(row.host),
    startMs: Number(row.started),
    endMs: row.ends === null ? undefined : Number(row.ends),
    reason: String(row.reason),
    count: Number(row.count),
  }));
}

/** Whether SQLite says that the file is none of its own, or broken. */
export function isDamaged(error: unknown): boolean {
  const SQLITE_CORRUPT = 11; // <sqlite3.h>
  const SQLITE_NOTADB = 26;
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB || error instanceof DamagedStateFile;
}

/** SQLite opened it, and found its pages broken. */
class DamagedStateFile extends Error {
  override name = "DamagedStateFile";
}

/** Checks what the file is, and sets it up. */
function prepare(database: DatabaseSync): void {
  const pragma = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  const id = pragma("application_id");
  const version = pragma("user_version");
  const { tables } = database.prepare("SELECT count(*) AS tables FROM sqlite_schema").get()!;
  const empty = Number(tables) === 0;
  if (!empty && id !== APPLICATION_ID) {
    throw new ForeignStateFile("it is a database of something else");
  }
  if (!empty && version !== VERSION) {
    throw new ForeignStateFile(`it was written by another version of this program (${version})`);
  }
  // Survives the end of the process at any moment; the end of the machine may cost the last second.
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  const found = pragma("quick_check(1)");
  if (found !== "ok") throw new DamagedStateFile(String(found));
  if (empty) database.exec(SCHEMA);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
