/**
 * What reports are made of, in the state file: a row for each scan that has ended, and the sums of
 * each hour. Rows are written once a second at most, and what is long ago is forgotten.
 *
 * Detection never waits for it: what the disk does not take is kept for a while, then counted as lost.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { infoOf, isNamed } from "../files.ts";
import {
  REPORT_MEMORY_MS,
  SCAN_ROWS,
  SCAN_ROWS_AT_ONCE,
  SCAN_ROWS_WAITING,
  STORE_TIDY_MS,
  STORE_WRITE_MS,
} from "../limits.ts";
import { closeDatabase, openDatabase, transaction } from "./database.ts";
import { type Counted, type HourRow, HourTally } from "./hour_tally.ts";

/** A scan that has ended. Times are of the wall clock, in milliseconds since 1970. */
export interface ScanRow {
  /** Who: an address, or another name of the source. */
  source: string;
  /** Such as `vertical` or `sweep`. */
  kind: string;
  /** Such as `nmap SYN`; `unknown` when the packets do not tell. */
  tool: string;
  firstMs: number;
  lastMs: number;
  packets: number;
  /** How many different ports, and how many of our addresses. */
  ports: number;
  targets: number;
  /** Some of the ports, such as `tcp/23`. */
  samplePorts: readonly string[];
  /** Whether the source was blocked when the scan ended. */
  blocked: boolean;
}

/** Takes what a person should know. */
export interface StoreLog {
  error(text: string): void;
  notice(text: string): void;
}

/** Counts of a run, whatever its file was meanwhile. */
export interface StoreCounts {
  /** Scans that were not written. */
  lost: number;
}

const HOUR_MS = 3_600_000;
const MOST_ROWS = SCAN_ROWS * 1.1;

/** Writes beside the watch, until it is closed. */
export class ScanStore {
  readonly #database: DatabaseSync;
  readonly #log: StoreLog;
  readonly #insert: StatementSync;
  readonly #clearHour: StatementSync;
  readonly #insertHour: StatementSync;
  readonly #tally = new HourTally();
  #hour: number;
  #counted = false;
  readonly #waiting: ScanRow[] = [];
  readonly #counts: StoreCounts;
  #failing = false;
  readonly #info: Deno.FileInfo | undefined;
  /** Whether the open file is not the one of its name any more. */
  #replaced = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tidyAtMs = 0;
  /** Scans in the file, as far as this run knows. */
  #rows: number;

  /**
   * Opens the file, and makes it when it is not there.
   *
   * @param counts those of the stores before it
   * @throws {Error} of {@link openDatabase}
   */
  constructor(
    readonly path: string,
    log: StoreLog,
    nowMs = Date.now(),
    counts: StoreCounts = { lost: 0 },
  ) {
    this.#counts = counts;
    this.#log = log;
    this.#hour = hourOf(nowMs);
    this.#database = openDatabase(path);
    try {
      this.#insert = this.#database.prepare(
        "INSERT INTO scans (source, kind, tool, first, last, packets, ports, targets, sample, blocked)" +
          " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      );
      this.#clearHour = this.#database.prepare("DELETE FROM hours WHERE hour = ?");
      this.#insertHour = this.#database.prepare("INSERT INTO hours VALUES (?, ?, ?, ?)");
      this.#rows = this.#countRows();
      this.#tally.load(this.#hourRows(this.#hour));
    } catch (error) {
      this.#database.close();
      throw error;
    }
    this.#info = infoOf(path);
  }

  /** Scans that were not written, so far. */
  get lost(): number {
    return this.#counts.lost;
  }

  /** Takes scans that have ended. */
  add(summaries: readonly ScanRow[]): void {
    const room = SCAN_ROWS_WAITING - this.#waiting.length;
    for (const summary of summaries.slice(0, room)) this.#waiting.push(summary);
    this.#counts.lost += Math.max(0, summaries.length - room);
    this.#soon();
  }

  /** Counts an event. */
  count(event: Counted): void {
    this.#tally.add(event);
    this.#counted = true;
    this.#soon();
  }

  /** Counts a host that has been blocked. */
  countBlock(): void {
    this.#tally.addBlock();
    this.#counted = true;
    this.#soon();
  }

  /** Writes what waits, as much of it as a turn may take. */
  write(nowMs = Date.now()): void {
    const batch = this.#waiting.slice(0, SCAN_ROWS_AT_ONCE);
    // A flood of spoofed sources leaves a scan each, and must not fill the disk till the next tidying.
    const tidy = nowMs >= this.#tidyAtMs || this.#rows + batch.length > MOST_ROWS;
    const hour = hourOf(nowMs);
    let rows = this.#rows + batch.length;
    let next: HourRow[] = [];
    try {
      transaction(this.#database, () => {
        for (const row of batch) this.#insertOne(row);
        if (this.#counted) this.#writeHour();
        if (tidy) {
          this.#forget(nowMs);
          rows = this.#countRows();
        }
        if (hour !== this.#hour) next = this.#hourRows(hour);
      });
    } catch (error) {
      return this.#failed(error);
    }
    this.#waiting.splice(0, batch.length);
    this.#counted = false;
    this.#rows = rows;
    if (tidy) this.#tidyAtMs = nowMs + STORE_TIDY_MS;
    if (this.#failing) this.#log.notice(`${this.path} takes what is scanned again`);
    this.#failing = false;
    this.#look();
    // What was counted since the last time is of the hour before, give or take a second.
    if (hour !== this.#hour) {
      this.#hour = hour;
      this.#tally.clear();
      this.#tally.load(next);
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    while (this.#waiting.length > 0 || this.#counted) {
      const before = this.#waiting.length;
      this.write();
      if (this.#failing) {
        this.#counts.lost += before;
        break;
      }
    }
    this.#look();
    try {
      // One that is not there any more is not tidied up, as another has its name.
      if (this.#replaced) this.#database.close();
      else closeDatabase(this.#database);
    } catch (error) {
      this.#log.error(`${this.path}: ${messageOf(error)}`);
    }
  }

  /** An idle program writes nothing. */
  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.write();
      if (this.#waiting.length > 0 || this.#counted) this.#soon();
    }, STORE_WRITE_MS);
  }

  /** SQLite goes on with what is open, also when nobody can find that any more. */
  #look(): void {
    if (this.#replaced || !this.#info || isNamed(this.path, this.#info)) return;
    this.#replaced = true;
    this.#log.error(
      `STATE_FILE ${this.path} is not there any more, or another one: reports will lack what is ` +
        "scanned until portsentry is restarted",
    );
  }

  #failed(error: unknown): void {
    if (!this.#failing) {
      this.#log.error(
        `Cannot keep what is scanned in STATE_FILE ${this.path}: ${messageOf(error)}: ` +
          "reports will lack what is scanned meanwhile, unless it can be written soon",
      );
    }
    this.#failing = true;
  }

  #insertOne(row: ScanRow): void {
    this.#insert.run(
      row.source,
      row.kind,
      row.tool,
      Math.round(row.firstMs),
      Math.round(row.lastMs),
      row.packets,
      row.ports,
      row.targets,
      row.samplePorts.join(","),
      row.blocked ? 1 : 0,
    );
  }

  #writeHour(): void {
    this.#clearHour.run(this.#hour);
    for (const { what, value, events } of this.#tally.rows()) {
      this.#insertHour.run(this.#hour, what, value, events);
    }
  }

  #forget(nowMs: number): void {
    const beforeMs = Math.round(nowMs - REPORT_MEMORY_MS);
    this.#database.prepare("DELETE FROM hours WHERE hour < ?").run(hourOf(beforeMs));
    this.#database.prepare("DELETE FROM scans WHERE last < ?").run(beforeMs);
    const excess = this.#countRows() - SCAN_ROWS;
    if (excess > 0) {
      this.#database.prepare(
        "DELETE FROM scans WHERE id IN (SELECT id FROM scans ORDER BY last, id LIMIT ?)",
      ).run(excess);
    }
  }

  #countRows(): number {
    return Number(this.#database.prepare("SELECT count(*) AS many FROM scans").get()!.many);
  }

  #hourRows(hour: number): HourRow[] {
    return this.#database.prepare("SELECT what, value, events FROM hours WHERE hour = ?")
      .all(hour) as unknown as HourRow[];
  }
}

function hourOf(timeMs: number): number {
  return Math.floor(timeMs / HOUR_MS);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
