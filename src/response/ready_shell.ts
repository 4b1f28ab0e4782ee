/**
 * A shell that runs before there is anything to do. To start one takes a millisecond, which is most
 * of the time from a probe to the command that answers it; to tell one that waits takes none of it.
 *
 * @module
 */
import type { Poller } from "../../ffi/epoll.ts";
import { check, libc, SystemError } from "../../ffi/libc.ts";
import { type ChildProcess, Launcher } from "../../ffi/spawn.ts";
import { READY_SHELL_PAUSE_MS } from "../limits.ts";

/** The descriptor its command comes on. */
const COMMAND_DESCRIPTOR = 3;

/**
 * One line is read and run as `sh -c` would run it, with the descriptor closed. Without a line, when
 * this program has ended, so does the shell.
 */
const WAIT = `IFS= read -r command <&${COMMAND_DESCRIPTOR} && ` +
  `exec ${COMMAND_DESCRIPTOR}<&- && eval "$command"`;

const O_CLOEXEC = 0o2000000; // <bits/fcntl-linux.h>
const PIPE_BUF = 4096; // <linux/limits.h>: what a pipe takes whole or not at all

interface Waiting {
  child: ChildProcess;
  /** Where its command goes. */
  writeEnd: number;
}

/** Keeps one shell waiting for the next command, for as long as it is wanted. */
export class ReadyShell {
  readonly #path: string;
  readonly #env: readonly string[];
  readonly #poller: Poller;
  #waiting: Waiting | undefined;
  #wanted = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param path the shell's file
   * @param env its whole environment, as `NAME=value`
   */
  constructor(path: string, env: readonly string[], poller: Poller) {
    this.#path = path;
    this.#env = env;
    this.#poller = poller;
  }

  /** Whether a shell is to wait from now on. */
  set wanted(wanted: boolean) {
    this.#wanted = wanted;
    if (wanted) this.#start();
    else this.#close();
  }

  /**
   * Runs a command, when a shell waits for one; the next shell is started a moment later, when what
   * is at hand has been done.
   *
   * @returns its process; undefined when nothing has been run
   */
  run(command: string): ChildProcess | undefined {
    if (!this.#wanted) return undefined;
    const line = new TextEncoder().encode(`${command}\n`);
    const fits = line.length <= PIPE_BUF && !command.includes("\n");
    const waiting = fits ? this.#waiting : undefined;
    if (waiting) libc().write(waiting.writeEnd, line, BigInt(line.length));
    this.#close();
    this.#timer = setTimeout(() => this.#start(), READY_SHELL_PAUSE_MS);
    return waiting?.child;
  }

  #start(): void {
    if (!this.#wanted || this.#waiting) return;
    try {
      this.#waiting = this.#launch();
    } catch (error) {
      // No processes or descriptors are left: each command tries for itself, and tells.
      if (!(error instanceof SystemError)) throw error;
      return;
    }
    const started = this.#waiting;
    started.child.ended.then(() => {
      // Somebody has ended it: the next command goes without, and starts another.
      if (this.#waiting === started) this.#close();
    });
  }

  #launch(): Waiting {
    const ends = new Int32Array(2);
    check(libc().pipe2(ends, O_CLOEXEC), "pipe2");
    const [readEnd, writeEnd] = ends;
    const launcher = new Launcher({
      env: this.#env,
      descriptors: [readEnd],
      stdout: "null",
      stderr: "inherit",
    });
    try {
      return { child: launcher.start(this.#path, ["-c", WAIT], this.#poller), writeEnd };
    } catch (error) {
      libc().close(writeEnd);
      throw error;
    } finally {
      launcher.close();
      libc().close(readEnd);
    }
  }

  /** A shell whose pipe ends without a line ends, too. */
  #close(): void {
    clearTimeout(this.#timer);
    if (this.#waiting) libc().close(this.#waiting.writeEnd);
    this.#waiting = undefined;
  }
}
