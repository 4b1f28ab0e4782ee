/**
 * Shell commands of the configuration: run beside everything else, with a limit on their number and
 * their time.
 *
 * @module
 */
import type { Poller } from "../../ffi/epoll.ts";
import { SystemError } from "../../ffi/libc.ts";
import { ChildProcess, describeExit, type ExitStatus } from "../../ffi/spawn.ts";
import type { ScanEvent } from "../event/scan_event.ts";
import {
  COMMAND_BUSY_STATUS,
  COMMAND_BUSY_TRIES,
  COMMAND_BUSY_WAIT_MS,
  COMMAND_TIMEOUT_MS,
} from "../limits.ts";

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

/** Undefined when a command has worked, else what it did instead, as the end of a sentence. */
export type CommandFailure = string | undefined;

/** Runs a shell command, again when it only found a lock held. */
export async function runCommand(command: string, poller: Poller): Promise<CommandFailure> {
  const deadline = performance.now() + COMMAND_TIMEOUT_MS;
  for (let attempt = 0;; attempt++) {
    const exit = await runOnce(command, poller, deadline - performance.now());
    if (typeof exit === "string") return exit;
    if ("status" in exit && exit.status === 0) return undefined;
    const busy = "status" in exit && exit.status === COMMAND_BUSY_STATUS;
    const waitMs = COMMAND_BUSY_WAIT_MS * 2 ** attempt * (1 + Math.random());
    if (!busy || attempt === COMMAND_BUSY_TRIES || performance.now() + waitMs > deadline) {
      return describeExit(exit);
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

async function runOnce(
  command: string,
  poller: Poller,
  limitMs: number,
): Promise<ExitStatus | string> {
  let child: ChildProcess;
  try {
    child = ChildProcess.start({
      path: SHELL,
      args: ["-c", command],
      env: ENVIRONMENT,
      stdout: "null",
      stderr: "inherit",
    }, poller);
  } catch (error) {
    if (error instanceof SystemError) return `could not be started: ${error.message}`;
    throw error;
  }
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill();
  }, limitMs);
  const exit = await child.ended;
  clearTimeout(timer);
  return late ? `did not end within ${COMMAND_TIMEOUT_MS / 1000} s and was killed` : exit;
}
