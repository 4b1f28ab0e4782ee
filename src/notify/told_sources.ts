/**
 * The sources that were notified of lately.
 *
 * @module
 */
import { NOTICE_SOURCES } from "../limits.ts";

/** Remembers so many sources for one window. Spoofed ones make it forget the oldest, not grow. */
export class ToldSources {
  /** When each was told, the oldest first. */
  readonly #toldMs = new Map<string, number>();

  /** Whether a source has not been told in the window that ends now; it is from here on. */
  first(source: string, nowMs: number, windowMs: number): boolean {
    for (const [oldest, toldMs] of this.#toldMs) {
      if (nowMs - toldMs < windowMs && this.#toldMs.size < NOTICE_SOURCES) break;
      this.#toldMs.delete(oldest);
    }
    if (this.#toldMs.has(source)) return false;
    this.#toldMs.set(source, nowMs);
    return true;
  }
}
