/**
 * Scan sessions of a run: what the tracker ends is told and kept, also when no packet comes any more.
 *
 * @module
 */
import type { Config } from "./config/config.ts";
import { Verdict } from "./detector/verdict.ts";
import { type ScanKind, type ScanSummary, UNKNOWN_TOOL } from "./event/scan_summary.ts";
import { SCAN_BLOCKED_HOSTS, SCAN_ENTRIES } from "./limits.ts";
import type { ScanLog } from "./log/scan_log.ts";
import type { Packet } from "./packet/packet.ts";
import type { Resources } from "./resources.ts";
import { Fingerprints } from "./scan/fingerprint.ts";
import { ScanTracker } from "./scan/scan_tracker.ts";

/** Sums up the probes of sources until it is ended. */
export class Scans {
  readonly #log: ScanLog;
  readonly #now: () => Resources;
  readonly #tracker: ScanTracker;
  /** Hosts that a command has blocked: without BLOCKED_FILE nobody else remembers them. */
  readonly #blocked = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param now what is open: a reload changes it */
  constructor({ scanWindowS }: Config, log: ScanLog, now: () => Resources) {
    this.#log = log;
    this.#now = now;
    this.#tracker = new ScanTracker({
      entries: SCAN_ENTRIES,
      windowMs: scanWindowS * 1000,
      tools: new Fingerprints(SCAN_ENTRIES),
      isBlocked: (source) => this.isBlocked(source),
      onEnded: (summaries) => this.#tell(summaries),
    });
  }

  /** Goes by another configuration from now on; the scans stay. */
  reconfigure({ scanWindowS }: Config): void {
    this.#tracker.windowMs = scanWindowS * 1000;
    this.#expire();
  }

  /** Scans that ended and were not told, so far. */
  get untold(): number {
    return this.#tracker.untold;
  }

  /** Scans that ended so far. */
  endedByKind(): Iterable<[ScanKind, number]> {
    return this.#tracker.endedByKind();
  }

  /**
   * Takes a probe. Who is never acted on does not scan either: those are this host itself, and what
   * watches it from the ignore file.
   *
   * @returns the tool of its scan, as far as that can be told by now
   */
  take(packet: Packet, verdict: Verdict): string {
    if (verdict === Verdict.Ignored || verdict === Verdict.SameHost) return UNKNOWN_TOOL;
    this.#timer ??= setTimeout(() => this.#expire(), this.#tracker.sweepMs + 1);
    return this.#tracker.take(packet);
  }

  /** A host has been blocked by a command. How long its own blocks last, the firewall knows itself. */
  noteBlocked(source: string): void {
    this.#blocked.delete(source);
    this.#blocked.add(source);
    if (this.#blocked.size > SCAN_BLOCKED_HOSTS) {
      const [oldest] = this.#blocked;
      this.#blocked.delete(oldest);
    }
  }

  /** A firewall knows which of its blocks have ended; what commands have done is for good. */
  isBlocked(source: string): boolean {
    const { blockade, blocked } = this.#now();
    return (blockade?.blocks.has(source) ?? false) || (blocked?.has(source) ?? false) ||
      this.#blocked.has(source);
  }

  /** Ends all scans, and tells them. */
  end(): void {
    clearTimeout(this.#timer);
    this.#tracker.end();
  }

  /** An idle program does not look. */
  #expire(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#tracker.expire(performance.now());
    if (this.#tracker.open === 0) return;
    // A timer may be early by a part of a millisecond.
    this.#timer = setTimeout(() => this.#expire(), this.#tracker.sweepMs + 1);
  }

  #tell(summaries: readonly ScanSummary[]): void {
    this.#log.tell(summaries);
    const { store, notifier } = this.#now();
    store?.add(summaries);
    for (const summary of summaries) notifier?.summary(summary);
  }
}
