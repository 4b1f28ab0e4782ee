/**
 * What commands leave behind in the background: their time limit is its limit, too, and it ends with
 * the program.
 *
 * @module
 */
import type { ChildProcess } from "../../ffi/spawn.ts";
import { LEFT_GROUPS_MS } from "../limits.ts";

/** Process groups whose leader has ended. */
export class LeftGroups {
  /** When each is to be over, on the clock of performance.now(), and who is told that it was ended. */
  readonly #left = new Map<ChildProcess, { deadline: number; onKilled: () => void }>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Takes a process that has ended, be there anything left of its group or not. */
  add(leader: ChildProcess, deadline: number, onKilled: () => void): void {
    if (!leader.hasGroup()) return;
    this.#left.set(leader, { deadline, onKilled });
    this.#timer ??= setTimeout(() => this.#look(), LEFT_GROUPS_MS);
  }

  /** Ends all of them. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const leader of this.#left.keys()) if (leader.hasGroup()) leader.kill();
    this.#left.clear();
  }

  /**
   * A group's number is its own as long as it has a process. So each is looked for often: one that was
   * looked for at its deadline alone could be another's by then, who would be ended for it.
   */
  #look(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const [leader, { deadline, onKilled }] of this.#left) {
      const isLeft = leader.hasGroup();
      if (isLeft && now < deadline) continue;
      this.#left.delete(leader);
      if (!isLeft) continue;
      leader.kill();
      onKilled();
    }
    if (this.#left.size > 0) this.#timer = setTimeout(() => this.#look(), LEFT_GROUPS_MS);
  }
}
