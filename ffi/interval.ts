/**
 * timerfd_create(2): a timer that is a descriptor, so that it becomes due where all else does.
 *
 * @module
 */
import { check, libc } from "./libc.ts";

const CLOCK_MONOTONIC = 1; // <linux/time.h>
const TFD_NONBLOCK = 0o4000; // <sys/timerfd.h>
const TFD_CLOEXEC = 0o2000000;

/** A descriptor that can be read once in every interval. */
export class Interval {
  readonly fd: number;
  readonly #count = new Uint8Array(8);

  /** @throws {SystemError} when the kernel gives no descriptor */
  constructor(intervalMs: number) {
    this.fd = check(
      libc().timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
      "timerfd_create",
    );
    const seconds = BigInt(Math.floor(intervalMs / 1000));
    const nanoseconds = BigInt(Math.round((intervalMs % 1000) * 1e6));
    // struct itimerspec: the interval, and the time to the first end of one.
    const times = new BigInt64Array([seconds, nanoseconds, seconds, nanoseconds]);
    check(libc().timerfd_settime(this.fd, 0, times, null), "timerfd_settime");
  }

  /** Reads the descriptor, which is then ready again after the next interval. */
  take(): void {
    libc().read(this.fd, this.#count, 8n);
  }

  close(): void {
    libc().close(this.fd);
  }
}
