/**
 * What has come lately by a name, such as a source: how often, and how fast, in memory of a fixed size.
 *
 * @module
 */

/** What is known of a name. */
export interface Recent<Name> {
  name: Name;
  /** How often it came, since it is in the table. */
  events: number;
  lastMs: number;
  /** Events a second. */
  rate: number;
  /** What was said of it last. */
  note: string;
}

interface Entry {
  events: number;
  lastMs: number;
  /** The piece of time that `now` counts in; `before` is of the one before it. */
  slice: number;
  now: number;
  before: number;
  /** Whether it came again since it was last looked at for a victim. */
  again: boolean;
  note: string;
}

/** One newcomer of so many gets a place in a table that is full. */
const ADMITTED = 16;

/**
 * Counts by name. When it is full a newcomer takes the place of the one that has been there longest and
 * did not come again (the clock algorithm): a flood of forged sources comes once each, so it displaces
 * its own kind, and not those that are busy. Then not every newcomer gets a place, which would cost more
 * than all else about an event: who is busy comes again, and gets one soon.
 */
export class RecentTable<Name extends string | number> {
  readonly #entries = new Map<Name, Entry>();
  #newcomers = 0;

  constructor(readonly capacity: number, readonly rateMs: number) {}

  get size(): number {
    return this.#entries.size;
  }

  add(name: Name, nowMs: number, note = ""): void {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      const full = this.#entries.size >= this.capacity;
      if (full && ++this.#newcomers % ADMITTED !== 0) return;
      entry = (full ? this.#displaced() : undefined) ??
        { events: 0, lastMs: 0, slice: 0, now: 0, before: 0, again: false, note };
      this.#entries.set(name, entry);
    } else entry.again = true;
    this.#turn(entry, nowMs);
    entry.events++;
    entry.now++;
    entry.lastMs = nowMs;
    entry.note = note;
  }

  /** The busiest, and after those the latest. */
  top(count: number, nowMs: number): Recent<Name>[] {
    return [...this.#entries].map(([name, entry]) => {
      const { events, lastMs, note } = entry;
      return { name, events, lastMs, note, rate: this.#rateOf(entry, nowMs) };
    }).sort((a, b) => b.rate - a.rate || b.lastMs - a.lastMs).slice(0, count);
  }

  /** A window that slides: what is left in it of the piece before, and what is in this one. */
  #rateOf(entry: Entry, nowMs: number): number {
    this.#turn(entry, nowMs);
    const passed = Math.min(1, Math.max(0, nowMs / this.rateMs - entry.slice));
    return (entry.now + entry.before * (1 - passed)) * 1000 / this.rateMs;
  }

  #turn(entry: Entry, nowMs: number): void {
    const slice = Math.floor(nowMs / this.rateMs);
    if (slice === entry.slice) return;
    // A clock that was set back begins anew.
    entry.before = slice === entry.slice + 1 ? entry.now : 0;
    entry.now = 0;
    entry.slice = slice;
  }

  /** A place that has become free. Whoever came again gets another turn, at the end of the line. */
  #displaced(): Entry | undefined {
    for (const [name, entry] of this.#entries) {
      this.#entries.delete(name);
      if (!entry.again) {
        entry.events = entry.now = entry.before = 0;
        return entry;
      }
      entry.again = false;
      this.#entries.set(name, entry);
    }
    return undefined;
  }
}
