/**
 * What has to outlive a crash and a reboot: the blocks in force, and who has been blocked before.
 *
 * The file is a convenience and never a condition: when it cannot be read or written, that is told, and
 * the watch goes on with what is in memory.
 *
 * @module
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { OFFENDER_MEMORY_MS, OFFENDERS } from "../limits.ts";
import { closeDatabase, openDatabase, openReadOnly, setUp, transaction } from "./database.ts";

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
    const database = openDatabase(path);
    try {
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
    const database = openReadOnly(path);
    try {
      return blocksOf(database);
    } finally {
      database.close();
    }
  }

  /** A state that is in memory alone. */
  static inMemory(): StateFile {
    const database = new DatabaseSync(":memory:");
    setUp(database);
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
    transaction(this.#database, () => {
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
    transaction(this.#database, () => {
      for (const host of hosts) {
        this.#remove.run(host);
        this.#forgive.run(host);
      }
    });
  }

  /** Makes these all the blocks there are. @throws {Error} when the disk takes none of it */
  replace(blocks: Iterable<BlockRecord>): void {
    transaction(this.#database, () => {
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
    transaction(this.#database, () => {
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
    closeDatabase(this.#database);
  }

  /** Closes a file that is not the one of its name any more, and tidies nothing up. */
  abandon(): void {
    this.#database.close();
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
}

/** As one text: an object made by SQLite for each of 100,000 rows would take a quarter of a second. */
function blocksOf(database: DatabaseSync): BlockRecord[] {
  const { text } = database.prepare(
    "SELECT json_group_array(json_array(host, started, ends, reason, count)) AS text FROM blocks",
  ).get()!;
  return (JSON.parse(String(text)) as Row[]).map(([host, startMs, endMs, reason, count]) => ({
    host,
    startMs,
    endMs: endMs ?? undefined,
    reason,
    count,
  }));
}

/** The tables are strict: SQLite holds them to these types. */
type Row = [host: string, started: number, ends: number | null, reason: string, count: number];
