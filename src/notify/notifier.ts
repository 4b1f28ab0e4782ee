/**
 * NOTIFY_URL: tells servers of the first block of a source and of scans that are over, once a source
 * and window. Nothing here is ever waited for: what cannot be sent is counted.
 *
 * @module
 */
import type { Config } from "../config/config.ts";
import { formatFor, type NoticeFormat, type NotifyTarget } from "../config/notify_url.ts";
import type { ScanEvent } from "../event/scan_event.ts";
import type { ScanSummary } from "../event/scan_summary.ts";
import { NOTICE_CLOSE_MS } from "../limits.ts";
import { Channel, type NoticeCounts, type NoticeLog } from "./channel.ts";
import { CLOCK, type Clock } from "./clock.ts";
import type { Observer } from "./formats.ts";
import type { NoticeBlock } from "./notice.ts";
import { Throttle } from "./throttle.ts";
import { ToldSources } from "./told_sources.ts";

/** What a notifier is made of. */
export interface NotifierParts {
  targets: readonly NotifyTarget[];
  /** Undefined for what each target is known to take. */
  format: NoticeFormat | undefined;
  windowS: number;
  observer: Observer;
  log: NoticeLog;
  /** Called when a notification was lost. */
  onLost: () => void;
  /** Those of the notifiers before it. */
  counts?: NoticeCounts;
  clock?: Clock;
}

/** What was done about a source. */
export interface BlockDetails {
  /** False for what DRY_RUN only tells. */
  done: boolean;
  /** What is known of the block. */
  block?: NoticeBlock | undefined;
}

/** Notifies until it is closed. */
export class Notifier {
  /** Sent and lost since the start of the program. */
  readonly counts: NoticeCounts;
  readonly #targets: readonly NotifyTarget[];
  readonly #format: NoticeFormat | undefined;
  #windowMs: number;
  readonly #clock: Clock;
  readonly #told = new ToldSources();
  readonly #channels: Channel[];
  readonly #throttle: Throttle;

  constructor(parts: NotifierParts) {
    const { targets, format, windowS, clock = CLOCK, counts = { sent: 0, lost: 0 } } = parts;
    this.counts = counts;
    this.#targets = targets;
    this.#format = format;
    this.#windowMs = windowS * 1000;
    this.#clock = clock;
    this.#channels = targets.map((target) =>
      new Channel({ ...parts, target, format: format ?? formatFor(target), clock, counts })
    );
    this.#throttle = new Throttle(
      clock,
      (notice) => this.#channels.forEach((channel) => channel.send(notice)),
    );
  }

  /** Whether it can go on with another configuration: with its queue, and whom it has told of. */
  serves({ notifyTargets = [], notifyFormat }: Config): boolean {
    return notifyFormat === this.#format &&
      JSON.stringify(notifyTargets) === JSON.stringify(this.#targets);
  }

  /** Goes by another window from the next notice on. */
  reconfigure({ notifyWindowS }: Config): void {
    this.#windowMs = notifyWindowS * 1000;
  }

  /** Notifications that are not sent yet. */
  get waiting(): number {
    return this.#channels.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /**
   * Tells that a host has been blocked, or would be.
   *
   * @param name the source's name, or its address when it has none
   */
  blocked(event: ScanEvent, name: string, { done, block }: BlockDetails): void {
    const { source, destination, protocol, port, type } = event;
    if (!this.#first(source)) return;
    this.#throttle.take({
      kind: done ? "block" : "dry-run",
      timeMs: Date.now(),
      source,
      name: name === source ? undefined : name,
      probe: { protocol: protocol === "TCP" ? "tcp" : "udp", port, type, destination },
      block,
    });
  }

  /** Tells of a scan that is over; one or two packets are none. */
  summary(scan: ScanSummary): void {
    // A distributed one goes on for days, with other sources: it is known by what it looks for.
    const key = scan.sources === undefined ? scan.source : `${scan.kind} ${scan.samplePorts}`;
    if (scan.kind === "probe" || !this.#first(key)) return;
    this.#throttle.take({ kind: "scan", timeMs: Date.now(), scan });
  }

  /** Sends what waits, as far as that goes in `limitMs`. */
  async close(limitMs = NOTICE_CLOSE_MS): Promise<void> {
    this.#throttle.flush();
    await Promise.all(this.#channels.map((channel) => channel.close(limitMs)));
  }

  #first(source: string): boolean {
    return this.#told.first(source, this.#clock.now(), this.#windowMs);
  }
}

/** Where a configuration sends notifications, without what may be secret. */
export function describeTargets({ notifyTargets = [], notifyFormat }: Config): string[] {
  return notifyTargets.map((target) =>
    `${notifyFormat ?? formatFor(target)} to ${target.endpoint}` +
    `${target.encrypted ? "" : ", unencrypted"}`
  );
}
