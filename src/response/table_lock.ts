/**
 * One program blocks in a network namespace: two would each take the other's changes of the table for
 * damage, and repair it every second with their own blocks alone.
 *
 * @module
 */
import type { Poller } from "../../ffi/epoll.ts";
import { SystemError } from "../../ffi/libc.ts";
import { effectiveUser, UnixListener, UnixStream } from "../../ffi/unix_stream.ts";
import type { Config } from "../config/config.ts";
import { StartError } from "../config/fault.ts";
import { TABLE_LOCK_MS, TABLE_LOCK_TRIES } from "../limits.ts";
import type { Logger } from "../log/logger.ts";
import { TABLE } from "./firewall_table.ts";

/** In the abstract namespace of unix(7), which is the network namespace's own, as the table is. */
const NAME = `\0portsentry: table inet ${TABLE}`;
const ROOT = 0;
const EADDRINUSE = 98; // <asm-generic/errno.h>

/** Who has the lock. */
interface Holder {
  process: number;
  user: number;
  /** Whether it may be a portsentry: any user can take the name, and must not prevent a start. */
  isTrusted: boolean;
}

/** Held until it is released or the process ends. */
export class TableLock {
  readonly #listener: UnixListener;
  readonly #poller: Poller;

  private constructor(listener: UnixListener, poller: Poller) {
    this.#listener = listener;
    this.#poller = poller;
    // Whoever asks who holds it is not kept waiting.
    poller.add(listener.fd, () => listener.accept()?.close());
  }

  /**
   * @returns the lock, or who has it
   * @throws {SystemError} when there can be none here
   */
  static take(poller: Poller): TableLock | Holder {
    for (let tries = 0;; tries++) {
      try {
        return new TableLock(new UnixListener(NAME), poller);
      } catch (error) {
        const taken = error instanceof SystemError && error.errno === EADDRINUSE;
        if (!taken || tries === TABLE_LOCK_TRIES) throw error;
      }
      const other = UnixStream.connect(NAME, TABLE_LOCK_MS);
      if (!other) continue; // it has just ended
      try {
        const { process, user } = other.peer();
        return { process, user, isTrusted: user === ROOT || user === effectiveUser() };
      } finally {
        other.close();
      }
    }
  }

  release(): void {
    this.#poller.remove(this.#listener.fd);
    this.#listener.close();
  }
}

/**
 * Takes the lock for a run; without it when that cannot be had here.
 *
 * @throws {StartError} when another portsentry has it
 */
export function lockTable(
  { file }: Pick<Config, "file">,
  poller: Poller,
  log: Pick<Logger, "error">,
): TableLock | undefined {
  let lock: TableLock | Holder;
  try {
    lock = TableLock.take(poller);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return undefined;
  }
  if (lock instanceof TableLock) return lock;
  const { process, user, isTrusted } = lock;
  if (!isTrusted) {
    log.error(`Process ${process} of user ${user} seems to use FIREWALL, too: end one of the two`);
    return undefined;
  }
  const message = `FIREWALL="nftables": another running portsentry, process ${process}, blocks ` +
    "with the same table: let one of the two watch the ports of both";
  throw new StartError([{ where: file, line: 0, message }]);
}
