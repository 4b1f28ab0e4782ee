/**
 * The SQLite file of a run: its tables, how a file of an earlier version is brought up to date, and
 * what is done about one that is damaged.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { inFolder, refuseFifo } from "../files.ts";

/** The file holds something else than a state of this program, and is left as it is. */
export class ForeignStateFile extends Error {
  override name = "ForeignStateFile";
}

/** SQLite opened it, and found its pages broken. */
class DamagedStateFile extends Error {
  override name = "DamagedStateFile";
}

const HEADER = "SQLite format 3\0"; // https://sqlite.org/fileformat.html, section 1.3
const APPLICATION_ID = 0x5053_656e; // "PSen", so that file(1) and we know our own
const BUSY_MS = 1000;
const SQLITE_BUSY = 5; // <sqlite3.h>
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** What each version has that the one before had not. */
const VERSIONS = [
  `CREATE TABLE blocks (
    host TEXT PRIMARY KEY, started INTEGER NOT NULL, ends INTEGER, reason TEXT NOT NULL,
    count INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE offenders (
    host TEXT PRIMARY KEY, last INTEGER NOT NULL, count INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX offenders_by_last ON offenders (last);`,
  // Times in milliseconds since 1970, hours since 1970; sample is ports such as "tcp/23,udp/53".
  `CREATE TABLE scans (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, kind TEXT NOT NULL, tool TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, packets INTEGER NOT NULL,
    ports INTEGER NOT NULL, targets INTEGER NOT NULL, sample TEXT NOT NULL,
    blocked INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX scans_by_last ON scans (last);
  CREATE TABLE hours (
    hour INTEGER NOT NULL, what TEXT NOT NULL, value TEXT NOT NULL, events INTEGER NOT NULL,
    PRIMARY KEY (hour, what, value)
  ) STRICT, WITHOUT ROWID;`,
];

/**
 * Opens the file for writing, and makes it with its folder when it is not there.
 *
 * @throws {ForeignStateFile} when it is somebody else's, or a later version's
 * @throws {Error} when it is damaged (see {@link isDamaged}) or cannot be used
 */
export function openDatabase(path: string): DatabaseSync {
  const make = () => Deno.writeFileSync(path, new Uint8Array(), { createNew: true, mode: 0o600 });
  if (!exists(path)) inFolder(path, make, 0o700);
  refuseForeign(path);
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    checkVersion(database);
    // Survives the end of the process at any moment; the end of the machine may cost the last second.
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    const found = pragma(database, "quick_check(1)");
    if (found !== "ok") throw new DamagedStateFile(String(found));
    setUp(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Opens the file for reading alone, whatever is in it. @throws {Error} when that cannot be done */
export function openReadOnly(path: string): DatabaseSync {
  refuseFifo(path);
  return new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS });
}

/**
 * Opens the file for reading alone, be it in use or not.
 *
 * @returns the database, and whether it has what version `least` has
 * @throws {Error} like {@link openDatabase}
 */
export function readDatabase(
  path: string,
  least: number,
): { database: DatabaseSync; has: boolean } {
  refuseForeign(path);
  const database = openReadOnly(path);
  try {
    return { database, has: checkVersion(database) >= least };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Brings the tables up to date: all of them in a new file. */
export function setUp(database: DatabaseSync): void {
  const version = checkVersion(database);
  if (version === VERSIONS.length) return;
  transaction(database, () => {
    for (const change of VERSIONS.slice(version)) database.exec(change);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    database.exec(`PRAGMA user_version = ${VERSIONS.length}`);
  });
}

/**
 * Leaves one file without a log beside it, which can also be read where nothing can be written. While
 * somebody else has it open the log stays, and is the last one's to put away.
 *
 * @throws {Error} when the disk does not take what the log has; it is there at the next start
 */
export function closeDatabase(database: DatabaseSync): void {
  try {
    database.exec("PRAGMA busy_timeout = 0");
    database.prepare("PRAGMA journal_mode = DELETE").get(); // exec() would not tell why not
  } catch (error) {
    if (codeOf(error) !== SQLITE_BUSY) throw error;
  } finally {
    database.close();
  }
}

/** Makes a change, all of it or nothing. @throws {Error} when the disk takes none of it */
export function transaction(database: DatabaseSync, change: () => void): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    change();
    database.exec("COMMIT");
  } catch (error) {
    // A full disk may have ended the transaction already.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/** Whether SQLite says that the file is none of its own, or broken. */
export function isDamaged(error: unknown): boolean {
  const code = codeOf(error);
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB || error instanceof DamagedStateFile;
}

/**
 * Renames a damaged file: nothing is thrown away, as somebody may want to see what was in it.
 *
 * @returns its new name
 */
export function setAside(path: string): string {
  const stamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
  try {
    return renameAll(path, `${path}.damaged-${stamp}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
  }
  // Deno's permission may be for the file alone, and this name, but not for its folder.
  const aside = `${path}.damaged`;
  try {
    if (!exists(aside)) return renameAll(path, aside);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
  }
  throw new Error(`this run may not rename the damaged file to ${aside}: move it away`);
}

function renameAll(path: string, aside: string): string {
  // The log first: without it the file would be another one.
  for (const suffix of ["-wal", "-shm", ""]) renameIfThere(path + suffix, aside + suffix);
  return aside;
}

/**
 * What never was a database is no damaged one: a slip in a path must not move /etc/passwd away. Zeros
 * are what a crash of the host may leave in the place of anything.
 */
function refuseForeign(path: string): void {
  refuseFifo(path);
  if (!Deno.statSync(path).isFile) throw new Error("it is no file");
  using file = Deno.openSync(path);
  const head = new Uint8Array(HEADER.length);
  const length = file.readSync(head) ?? 0;
  const text = new TextDecoder("latin1").decode(head.subarray(0, length));
  if (HEADER.startsWith(text) || /^\0+$/.test(text)) return;
  throw new ForeignStateFile("it holds something else");
}

/** The version of a file of ours; 0 of an empty one. */
function checkVersion(database: DatabaseSync): number {
  const { tables } = database.prepare("SELECT count(*) AS tables FROM sqlite_schema").get()!;
  if (Number(tables) === 0) return 0;
  if (pragma(database, "application_id") !== APPLICATION_ID) {
    throw new ForeignStateFile("it is a database of something else");
  }
  const version = Number(pragma(database, "user_version"));
  if (version < 1 || version > VERSIONS.length) {
    throw new ForeignStateFile(`it was written by another version of this program (${version})`);
  }
  return version;
}

function pragma(database: DatabaseSync, name: string): unknown {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

function codeOf(error: unknown): number {
  return error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
}

function renameIfThere(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
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
