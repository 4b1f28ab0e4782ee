/**
 * The state file in all weathers: a damaged one is set aside, and one that cannot be written is told,
 * once, and written when it can be again.
 *
 * @module
 */
import { infoOf, isNamed } from "../files.ts";
import { STATE_RETRY_MS } from "../limits.ts";
import type { Logger } from "../log/logger.ts";
import { ForeignStateFile, isDamaged, setAside } from "../state/database.ts";
import { type BlockRecord, StateFile } from "../state/state_file.ts";
import { quote } from "../text.ts";
import { targetOf } from "./firewall_table.ts";

/** Keeps the blocks in force, and knows who was blocked before. */
export class StateKeeper {
  readonly #path: string | undefined;
  readonly #log: Logger;
  #state: StateFile;
  /** Whether all is in memory alone, as the file could not be opened or made, and may be later. */
  #unopened: boolean;
  #nextTryMs = -Infinity;
  /** Of the open file, to tell one that takes its place. */
  #info: Deno.FileInfo | undefined;
  #replaced = false;
  /** Whether the file lacks something, because the disk did not take it. */
  #behind = false;
  /** The blocks in the file at the start, as far as it could be read. */
  readonly found: readonly BlockRecord[];
  /** All blocks in force, for a file that has fallen behind. */
  current: () => Iterable<BlockRecord> = () => [];

  /** @param path none to keep all in memory */
  constructor(path: string | undefined, log: Logger) {
    this.#log = log;
    this.#path = path;
    const { state, found, unopened = false } = path === undefined
      ? { state: StateFile.inMemory(), found: [] }
      : openOrSetAside(path, log);
    this.#state = state;
    this.#unopened = unopened;
    this.#behind = unopened;
    this.found = found;
    this.#learn();
  }

  /**
   * What of {@link found} makes sense, and nothing else from now on: a disk that has changed a letter
   * must not prevent the start. Asked when there is trouble, as it takes a while of 100,000 blocks.
   */
  leaveOutUnreadable(): readonly BlockRecord[] {
    const { good = [], bad: unreadable } = Object.groupBy(
      this.found,
      ({ host }) => isTarget(host) ? "good" : "bad",
    );
    if (!unreadable) return good;
    const bad = unreadable.map(({ host }) => host);
    const more = bad.length > 1 ? `, and of ${bad.length - 1} more,` : "";
    this.#log.error(
      `STATE_FILE ${this.#path}: the block of ${quote(bad[0])}${more} is left out: ` +
        "that is neither an address nor a network",
    );
    this.forgive(bad);
    return good;
  }

  /** How many times a host has been blocked, as far as that is remembered. */
  blockCount(host: string, nowMs: number): number {
    try {
      return this.#state.blockCount(host, nowMs);
    } catch (error) {
      this.#failed(error);
      return 0;
    }
  }

  /** New blocks, and those that made room for them. */
  add(blocks: readonly BlockRecord[], removed: readonly string[]): void {
    this.#write((state) => state.add(blocks, removed));
  }

  /** Blocks that somebody has lifted. */
  forgive(hosts: readonly string[]): void {
    this.#write((state) => state.forgive(hosts));
  }

  /** What the file has now. */
  stored(): BlockRecord[] {
    return this.#state.blocks();
  }

  /** Writes all blocks in force anew. */
  replace(): void {
    this.#write((state) => state.replace(this.current()));
  }

  /** Forgets what is over, and catches up when the file has fallen behind. */
  tidy(nowMs: number): void {
    this.#write((state) => state.forget(nowMs));
  }

  close(): void {
    if (this.#behind) this.tidy(Date.now());
    this.#look();
    try {
      if (this.#replaced && this.#path !== undefined) this.#writeAnew(this.#path);
      else this.#state.close();
    } catch (error) {
      this.#log.error(`${this.#path}: ${messageOf(error)}`);
    }
  }

  /** Opens a file that could not be opened before, but does not try all the time. */
  #isOpen(): boolean {
    if (!this.#unopened) return true;
    const nowMs = performance.now();
    if (this.#path === undefined || nowMs < this.#nextTryMs) return false;
    this.#nextTryMs = nowMs + STATE_RETRY_MS;
    let state: StateFile;
    try {
      state = StateFile.open(this.#path);
    } catch {
      return false; // why not is told
    }
    this.#state.close();
    this.#state = state;
    this.#unopened = false;
    this.#learn();
    // The hosts in force are offenders as well; those of before are not known.
    state.add([...this.current()]);
    return true;
  }

  #learn(): void {
    if (this.#path !== undefined && !this.#unopened) this.#info = infoOf(this.#path);
  }

  /**
   * Tells when somebody has taken the file away. SQLite goes on with what is open, and another file of
   * that name must not be opened meanwhile: both would share the files beside it.
   */
  #look(): void {
    if (this.#replaced || this.#path === undefined || !this.#info) return;
    if (isNamed(this.#path, this.#info)) return;
    this.#replaced = true;
    this.#log.error(
      `STATE_FILE ${this.#path} was deleted or replaced: blocks are in force, and are written to it ` +
        "when portsentry ends: restart it",
    );
  }

  #writeAnew(path: string): void {
    this.#state.abandon();
    const state = StateFile.open(path);
    try {
      state.add([...this.current()]);
      state.replace(this.current());
    } finally {
      state.close();
    }
  }

  #write(change: (state: StateFile) => void): void {
    try {
      change(this.#state);
      this.#look();
      if (!this.#behind || !this.#isOpen()) return;
      this.#state.replace(this.current());
      this.#behind = false;
      this.#log.notice(`${this.#path} can be written again, and has all blocks`);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** A file that cannot be read cannot be written, either. */
  #failed(error: unknown): void {
    if (!this.#behind) {
      this.#log.error(
        `Cannot write STATE_FILE ${this.#path}: ${messageOf(error)}: ` +
          "blocks are in force, and would be forgotten in a restart",
      );
    }
    this.#behind = true;
  }
}

function isTarget(host: string): boolean {
  try {
    targetOf(host);
    return true;
  } catch {
    return false;
  }
}

interface Opened {
  state: StateFile;
  found: readonly BlockRecord[];
  unopened?: boolean;
}

function openOrSetAside(path: string, log: Logger): Opened {
  try {
    const state = StateFile.open(path);
    return { state, found: state.blocks() };
  } catch (error) {
    if (isDamaged(error)) return { state: replaced(path, error, log), found: [] };
    const left = error instanceof ForeignStateFile ? ", and is left as it is" : "";
    log.error(
      `Cannot use ${path} as STATE_FILE: ${messageOf(error)}${left}: ` +
        "blocks will be forgotten in a restart",
    );
    const unopened = !(error instanceof ForeignStateFile);
    return { state: StateFile.inMemory(), found: readable(path), unopened };
  }
}

/** The blocks of a file that may be read and not written. */
function readable(path: string): readonly BlockRecord[] {
  try {
    return StateFile.read(path);
  } catch {
    return []; // why it cannot be used is told already
  }
}

function replaced(path: string, damage: unknown, log: Logger): StateFile {
  try {
    const aside = setAside(path);
    const state = StateFile.open(path);
    log.error(`STATE_FILE ${path} is damaged (${messageOf(damage)}): set aside as ${aside}`);
    return state;
  } catch (error) {
    log.error(
      `STATE_FILE ${path} is damaged (${messageOf(damage)}) and cannot be replaced: ` +
        `${messageOf(error)}: blocks will be forgotten in a restart`,
    );
    return StateFile.inMemory();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
