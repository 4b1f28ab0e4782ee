/**
 * One epoll(7) set as the program's only place to wait: every descriptor it watches becomes ready
 * here, on the event loop, without a thread or a timer of its own.
 *
 * @module
 */
import { check, libc } from "./libc.ts";

const EPOLL_CTL_ADD = 1; // <sys/epoll.h>
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 0x001;
const EPOLL_CLOEXEC = 0o2000000;
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

// struct epoll_event is packed on x86_64 alone (<bits/epoll.h>, __EPOLL_PACKED).
const EVENT_BYTES = Deno.build.arch === "x86_64" ? 12 : 16;
const DATA_OFFSET = EVENT_BYTES - 8;
const MOST_EVENTS = 64;

// A wait that is over at once means that work comes as fast as it is done. After some of these in
// a row it is left to gather for a moment: each wait costs a hop to another thread and back. A handler
// that has left work behind has gathered enough of it, but others may ask for the moment.
const INSTANT_WAIT_MS = 0.3;
const INSTANT_WAITS = 4;
const GATHER_MS = 4;

/**
 * Serves a descriptor that can be read.
 *
 * @returns true when it has left something to be read
 */
export type ReadHandler = () => boolean | void;

/** Waits for many descriptors at once and calls each one's handler when it can be read. */
export class Poller {
  readonly #libc = libc();
  readonly #epoll: number;
  readonly #wakeup: number;
  readonly #handlers = new Map<number, ReadHandler>();
  #stopped = false;
  #inRound = false;
  /** What {@link afterRound} was given, and is still to be done. */
  #deferred: (() => void)[] = [];
  /** Called after each round of handlers: for work that only makes sense when something happened. */
  onRound: () => void = () => {};
  /** Asked after a round that has left work behind: whether threads that write need a moment to catch up. */
  mustPause: () => boolean = () => false;

  /** @throws {SystemError} when the kernel gives no descriptor */
  constructor() {
    this.#epoll = check(this.#libc.epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    this.#wakeup = check(this.#libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
    const count = new Uint8Array(8);
    this.add(this.#wakeup, () => {
      this.#libc.read(this.#wakeup, count, 8n);
    });
  }

  /**
   * Calls `handler` from now on whenever `fd` can be read. Readiness is level-triggered: a handler
   * may leave data behind and is called again, after every other ready one had its turn.
   *
   * @throws {SystemError} when `fd` cannot be polled
   */
  add(fd: number, handler: ReadHandler): void {
    const event = new DataView(new ArrayBuffer(EVENT_BYTES));
    event.setUint32(0, EPOLLIN, true);
    event.setInt32(DATA_OFFSET, fd, true);
    check(this.#libc.epoll_ctl(this.#epoll, EPOLL_CTL_ADD, fd, event), "epoll_ctl");
    this.#handlers.set(fd, handler);
  }

  /** Forgets `fd`; call it before closing `fd`. Unknown descriptors are ignored. */
  remove(fd: number): void {
    if (!this.#handlers.delete(fd)) return;
    this.#libc.epoll_ctl(this.#epoll, EPOLL_CTL_DEL, fd, new Uint8Array(EVENT_BYTES));
  }

  /**
   * Serves the handlers until {@link stop}. Between two rounds the event loop runs, so that timers,
   * signals and writes stay alive while descriptors never cease to be ready.
   *
   * @throws whatever a handler throws
   */
  async run(): Promise<void> {
    const events = new DataView(new ArrayBuffer(MOST_EVENTS * EVENT_BYTES));
    let instantWaits = 0;
    while (!this.#stopped) {
      const start = performance.now();
      // The result is -1 when a signal ended the wait: there is nothing to do but wait again.
      const count = await this.#libc.epoll_wait(this.#epoll, events, MOST_EVENTS, -1);
      const instant = performance.now() - start < INSTANT_WAIT_MS;
      const workIsLeft = this.#round(events, count);
      instantWaits = instant && !workIsLeft ? instantWaits + 1 : 0;
      this.onRound();
      if (instantWaits >= INSTANT_WAITS || (workIsLeft && this.mustPause())) {
        await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
      }
    }
    this.#stopped = false;
  }

  /**
   * Does something once all that is ready now has been handled, and before the next wait: a microtask
   * would come after the next wait has been handed to its thread, which takes longer than many a task.
   * Outside of a round it is a microtask.
   */
  afterRound(task: () => void): void {
    if (this.#inRound) this.#deferred.push(task);
    else queueMicrotask(task);
  }

  /** Ends {@link run} after the handler that is running now, or the next one; it may be run again. */
  stop(): void {
    this.#stopped = true;
    this.#libc.write(this.#wakeup, new BigUint64Array([1n]), 8n);
  }

  /** @returns whether one of the handlers has left something to be read */
  #round(events: DataView, count: number): boolean {
    this.#inRound = true;
    let workIsLeft = false;
    for (let i = 0; i < count && !this.#stopped; i++) {
      const fd = events.getInt32(i * EVENT_BYTES + DATA_OFFSET, true);
      if (this.#handlers.get(fd)?.()) workIsLeft = true;
    }
    this.#inRound = false;
    const tasks = this.#deferred;
    if (tasks.length === 0) return workIsLeft;
    this.#deferred = [];
    for (const task of tasks) task();
    return workIsLeft;
  }

  /** Gives the descriptors back; only after {@link run} has returned. */
  close(): void {
    this.#handlers.clear();
    this.#libc.close(this.#wakeup);
    this.#libc.close(this.#epoll);
  }
}
