/**
 * The notifications for one URL: one after the other, tried again while that may help, and counted as
 * lost when it does not.
 *
 * @module
 */
import type { NoticeFormat, NotifyTarget } from "../config/notify_url.ts";
import {
  NOTICE_AGE_MS,
  NOTICE_RETRY_MOST_MS,
  NOTICE_RETRY_MS,
  NOTICE_TIMEOUT_MS,
  NOTICE_TRIES,
  NOTICES_WAITING,
} from "../limits.ts";
import type { Clock } from "./clock.ts";
import { type Observer, requestFor } from "./formats.ts";
import type { Notice } from "./notice.ts";
import { type Answer, post } from "./post.ts";

/** Takes what a person should know. */
export interface NoticeLog {
  error(text: string): void;
  notice(text: string): void;
}

/** Counts since the start of the program, whatever the configuration was meanwhile. */
export interface NoticeCounts {
  sent: number;
  lost: number;
}

/** What a channel is made of. */
export interface ChannelParts {
  target: NotifyTarget;
  format: NoticeFormat;
  observer: Observer;
  clock: Clock;
  log: NoticeLog;
  counts: NoticeCounts;
  /** Called when something was lost. */
  onLost: () => void;
}

interface Waiting {
  notice: Notice;
  sinceMs: number;
}

/** Sends until it is closed. */
export class Channel {
  readonly #parts: ChannelParts;
  /** The first one is being sent. */
  readonly #queue: Waiting[] = [];
  #running: Promise<void> | undefined;
  /** Ends the wait before the next try. */
  #hurry: (() => void) | undefined;
  readonly #end = new AbortController();
  #closing = false;
  /** The failure that was told and still stands. */
  #failure: string | undefined;

  constructor(parts: ChannelParts) {
    this.#parts = parts;
  }

  /** Notifications that are not sent yet. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Takes a notice; returns at once. */
  send(notice: Notice): void {
    if (this.#closing || this.#queue.length >= NOTICES_WAITING) return this.#lose(1);
    this.#queue.push({ notice, sinceMs: this.#parts.clock.now() });
    this.#running ??= this.#run();
  }

  /** Sends what waits, tries nothing twice, and takes `limitMs` at most; what is left is lost. */
  async close(limitMs: number): Promise<void> {
    this.#closing = true;
    this.#hurry?.();
    if (this.#running) {
      const cancel = this.#parts.clock.after(limitMs, () => this.#end.abort());
      await this.#running;
      cancel();
    }
    this.#end.abort();
  }

  async #run(): Promise<void> {
    // What the caller has to do comes first.
    await Promise.resolve();
    for (let first = this.#queue[0]; first && !this.#end.signal.aborted; first = this.#queue[0]) {
      const sent = await this.#deliver(first);
      this.#queue.shift();
      if (sent) this.#parts.counts.sent++;
      else this.#lose(1);
    }
    this.#lose(this.#queue.length);
    this.#queue.length = 0;
    this.#running = undefined;
  }

  /** @returns whether the server has taken it */
  async #deliver({ notice, sinceMs }: Waiting): Promise<boolean> {
    const { target, format, observer, clock } = this.#parts;
    const request = requestFor(notice, format, observer);
    for (let tries = 1, wait = NOTICE_RETRY_MS;; tries++, wait *= 2) {
      const timeout = new AbortController();
      const cancel = clock.after(NOTICE_TIMEOUT_MS, () => timeout.abort());
      const signal = AbortSignal.any([timeout.signal, this.#end.signal]);
      const answer = await post(target, request, signal);
      cancel();
      if (answer.sent) {
        this.#mended();
        return true;
      }
      this.#tell(answer);
      const waitMs = Math.max(answer.retryAfterMs ?? 0, Math.min(wait, NOTICE_RETRY_MOST_MS));
      const late = clock.now() + waitMs - sinceMs > NOTICE_AGE_MS;
      if (!answer.mayMend || tries >= NOTICE_TRIES || late || this.#closing) return false;
      await this.#pause(waitMs);
    }
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#parts.clock.after(ms, resolve);
    this.#hurry = resolve;
    await promise;
    cancel();
    this.#hurry = undefined;
  }

  /** Once for each failure, not for each notification. */
  #tell({ failure, mayMend }: Answer & { sent: false }): void {
    if (failure === this.#failure || this.#end.signal.aborted) return;
    this.#failure = failure;
    const then = mayMend ? "it is tried again for a while" : "this notification is not tried again";
    this.#parts.log.error(`NOTIFY_URL: ${this.#parts.target.endpoint}: ${failure}: ${then}`);
  }

  #mended(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#parts.log.notice(`NOTIFY_URL: ${this.#parts.target.endpoint} takes notifications again`);
  }

  #lose(count: number): void {
    if (count === 0) return;
    this.#parts.counts.lost += count;
    this.#parts.onLost();
  }
}
