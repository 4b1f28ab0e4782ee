/**
 * Shell commands of the configuration: run beside everything else, with a limit on their number and
 * their time.
 *
 * @module
 */
import type { Poller } from "../../ffi/epoll.ts";
import { SystemError } from "../../ffi/libc.ts";
import { type ChildProcess, describeExit, type ExitStatus, Launcher } from "../../ffi/spawn.ts";
import type { ScanEvent } from "../event/scan_event.ts";
import {
  COMMAND_BUSY_STATUS,
  COMMAND_BUSY_TRIES,
  COMMAND_BUSY_WAIT_MS,
  COMMAND_TIMEOUT_MS,
} from "../limits.ts";
import { LeftGroups } from "./left_groups.ts";
import { ReadyShell } from "./ready_shell.ts";

/** The shell that runs the commands; a run that is to use it needs `--allow-run` of this path. */
export const SHELL = "/bin/sh";

/** Nothing of this process's environment reaches a command. */
const ENVIRONMENT = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];

/**
 * Puts an event's facts into a command. They are an address, a port and a mode that this program
 * has written itself: nothing of the packet's own text can reach a shell.
 */
export function fillIn(template: string, event: ScanEvent): string {
  return template.replaceAll("$TARGET$", event.source).replaceAll("$PORT$", String(event.port))
    .replaceAll("$MODE$", event.mode);
}

/**
 * The words of a command that means to the shell just what it says: an absolute path, and arguments
 * without any character that a shell would do something about. Undefined when there is more to it.
 */
export function plainWords(command: string): string[] | undefined {
  return /^\s*\/[\w\/.+-]*(?:[ \t]+[\w\/.:,@%+=-]+)*\s*$/.test(command)
    ? command.trim().split(/[ \t]+/)
    : undefined;
}

/** Undefined when a command has worked, else what it did instead, as the end of a sentence. */
export type CommandFailure = string | undefined;

/** Runs shell commands; all that still run can be ended at once. */
export class CommandRunner {
  readonly #poller: Poller;
  readonly #launcher = new Launcher({ env: ENVIRONMENT, stdout: "null", stderr: "inherit" });
  readonly #ready: ReadyShell;
  readonly #running = new Set<ChildProcess>();
  readonly #left = new LeftGroups();
  #closed = false;

  /** @param limitMs what a command may take */
  constructor(poller: Poller, readonly limitMs = COMMAND_TIMEOUT_MS) {
    this.#poller = poller;
    this.#ready = new ReadyShell(SHELL, ENVIRONMENT, poller);
  }

  /** Gets ready for commands like these, or for none. */
  prepare(templates: readonly string[]): void {
    this.#ready.wanted = !this.#closed &&
      templates.some((template) => plainWords(template.replaceAll("$", "")) === undefined);
  }

  /**
   * Runs a command, again when it only found a lock held.
   *
   * @param onLate is told what has become of what it left in the background, when that took too long
   */
  async run(command: string, onLate: (failure: string) => void): Promise<CommandFailure> {
    const deadline = performance.now() + this.limitMs;
    for (let attempt = 0;; attempt++) {
      const exit = await this.#runOnce(command, deadline, onLate);
      if (typeof exit === "string") return exit;
      if ("status" in exit && exit.status === 0) return undefined;
      const busy = "status" in exit && exit.status === COMMAND_BUSY_STATUS;
      const waitMs = COMMAND_BUSY_WAIT_MS * 2 ** attempt * (1 + Math.random());
      const late = performance.now() + waitMs > deadline;
      if (!busy || late || attempt === COMMAND_BUSY_TRIES || this.#closed) {
        return describeExit(exit);
      }
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  /** Ends what runs: a command that went on alone would do what nobody tells any more. */
  close(): void {
    this.#closed = true;
    this.#ready.wanted = false;
    for (const child of this.#running) child.kill();
    this.#left.close();
  }

  /** A shell that would only split words and start a program is left out: it takes half the time. */
  #start(command: string): ChildProcess {
    const [path, ...args] = plainWords(command) ?? [];
    if (path !== undefined) {
      try {
        return this.#launcher.start(path, args, this.#poller);
      } catch (error) {
        // A script without a first line that names its shell, or nothing at all: the shell's business.
        if (!(error instanceof SystemError)) throw error;
      }
    }
    return this.#ready.run(command) ??
      this.#launcher.start(SHELL, ["-c", command], this.#poller);
  }

  async #runOnce(
    command: string,
    deadline: number,
    onLate: (failure: string) => void,
  ): Promise<ExitStatus | string> {
    let child: ChildProcess;
    try {
      child = this.#start(command);
    } catch (error) {
      if (error instanceof SystemError) return `could not be started: ${error.message}`;
      throw error;
    }
    this.#running.add(child);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill();
    }, Math.max(0, deadline - performance.now()));
    const exit = await child.ended;
    clearTimeout(timer);
    this.#running.delete(child);
    this.#left.add(child, deadline, () =>
      onLate(
        `left processes in the background that did not end within ${this.limitMs / 1000} s and ` +
          "were killed: setsid(1) starts one that may go on",
      ));
    if (this.#closed) this.#left.close();
    return late ? `did not end within ${this.limitMs / 1000} s and was killed` : exit;
  }
}
