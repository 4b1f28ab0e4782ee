/**
 * Child processes by posix_spawn(3), each the leader of its own session, watched by pidfd_open(2).
 *
 * `Deno.Command` forks to do the same, which costs a millisecond more with a runtime in memory.
 *
 * @module
 */
import type { Poller } from "./epoll.ts";
import { check, errno, libc, stringArray, SystemError, toCString } from "./libc.ts";
import { openLibrary } from "./libraries.ts";

const SYMBOLS = {
  posix_spawn: { // pid_t *pid, const char *path, file_actions, attributes, char *const argv[], char *const envp[]
    parameters: ["buffer", "buffer", "usize", "usize", "usize", "usize"],
    result: "i32",
  },
  posix_spawn_file_actions_init: { parameters: ["usize"], result: "i32" },
  posix_spawn_file_actions_addopen: { // actions, int fd, const char *path, int oflag, mode_t mode
    parameters: ["usize", "i32", "buffer", "i32", "u32"],
    result: "i32",
  },
  posix_spawn_file_actions_adddup2: { parameters: ["usize", "i32", "i32"], result: "i32" }, // actions, int fd, int newfd
  posix_spawn_file_actions_addclosefrom_np: { // actions, int from (glibc 2.34)
    parameters: ["usize", "i32"],
    result: "i32",
    optional: true,
  },
  posix_spawn_file_actions_destroy: { parameters: ["usize"], result: "i32" },
  posix_spawnattr_init: { parameters: ["usize"], result: "i32" },
  posix_spawnattr_destroy: { parameters: ["usize"], result: "i32" },
  posix_spawnattr_setflags: { parameters: ["usize", "i16"], result: "i32" }, // attr, short flags
  posix_spawnattr_setsigdefault: { parameters: ["usize", "buffer"], result: "i32" }, // attr, const sigset_t *
  posix_spawnattr_setsigmask: { parameters: ["usize", "buffer"], result: "i32" }, // attr, const sigset_t *
  sigfillset: { parameters: ["buffer"], result: "i32" }, // sigset_t *
  sigaction: { parameters: ["i32", "usize", "buffer"], result: "i32" }, // int signum, const struct sigaction *act, *oldact
  signal: { parameters: ["i32", "usize"], result: "usize" }, // int signum, sighandler_t handler
  waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" }, // pid_t, int *status, int options
  kill: { parameters: ["i32", "i32"], result: "i32" }, // pid_t, int signal
  syscall: { parameters: ["i64", "i64", "i64"], result: "i64" }, // long number, …
} as const satisfies Deno.ForeignLibraryInterface;

type Spawn = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

const POSIX_SPAWN_SETSIGDEF = 0x04; // <spawn.h>
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;
const OBJECT_BYTES = 512n; // more than glibc's posix_spawn_file_actions_t (80) and _attr_t (336)
const SIGSET_BYTES = 128; // sigset_t, <bits/types/__sigset_t.h>
const O_RDWR = 2;
const SYS_PIDFD_OPEN = 434n; // the same number everywhere
const WNOHANG = 1;
const ESRCH = 3; // <asm-generic/errno-base.h>
const SIGKILL = 9;
const SIGCHLD = 17;
const SIGACTION_BYTES = 152; // struct sigaction, which begins with the handler
const SIG_DFL = 0n;
const SIG_IGN = 1n;

let opened: Spawn | undefined;

function spawnLibrary(): Spawn {
  return opened ??= keepStatuses(openLibrary("libc", SYMBOLS).symbols);
}

/**
 * Whoever started this process may have left SIGCHLD ignored, which lasts through execve(2): then
 * the kernel throws the exit statuses of all children away. A handler of the runtime's own stays.
 */
function keepStatuses(lib: Spawn): Spawn {
  const action = new BigUint64Array(SIGACTION_BYTES / 8);
  lib.sigaction(SIGCHLD, 0n, action);
  if (action[0] === SIG_IGN) lib.signal(SIGCHLD, SIG_DFL);
  return lib;
}

/** What child processes are given. */
export interface LaunchOptions {
  /** The whole environment, as `NAME=value`. */
  env: readonly string[];
  /** Descriptors they have besides 0 to 2, as they are numbered there from 3 on. */
  descriptors?: readonly number[];
  /** Where standard output and error go: to ours, or nowhere. */
  stdout: "null" | "inherit";
  stderr: "null" | "inherit";
}

/** How a child process ended: its exit status, or the signal that ended it. */
export type ExitStatus = { status: number } | { signal: number };

/** Of a child that has ended, and nobody can say how: no success. */
const UNKNOWN: ExitStatus = { status: -1 };

/** A running child process. */
export interface ChildProcess {
  /** Resolves when the process has ended. */
  readonly ended: Promise<ExitStatus>;
  /** Whether anything of its group is left; only to be asked while that may be so. */
  hasGroup(): boolean;
  /** Ends the process and all of its group that is left. */
  kill(): void;
}

/** Starts processes alike; what can be prepared is prepared once, and kept. */
export class Launcher {
  readonly #lib = spawnLibrary();
  readonly #actions: bigint;
  readonly #attributes: bigint;
  readonly #environment: bigint;

  constructor(options: LaunchOptions) {
    this.#actions = fileActions(options);
    this.#attributes = spawnAttributes();
    this.#environment = stringArray(options.env);
  }

  /**
   * Starts a process in a session of its own, with signals as a shell would give them, and forgets
   * it: for one that is to outlive this one.
   *
   * @param path the program's file
   * @param args its arguments after its own name
   * @returns its process id
   * @throws {SystemError} when it cannot be started
   */
  spawn(path: string, args: readonly string[]): number {
    const pid = new Int32Array(1);
    const argv = stringArray([path, ...args]);
    // The result is the error itself: errno is not set.
    const error = this.#lib.posix_spawn(
      pid,
      toCString(path),
      this.#actions,
      this.#attributes,
      argv,
      this.#environment,
    );
    libc().free(argv);
    if (error !== 0) throw new SystemError(`Cannot run ${path}`, error);
    return pid[0];
  }

  /**
   * Starts a process like {@link spawn}, and watches it.
   *
   * @throws {SystemError} when it cannot be started
   */
  start(path: string, args: readonly string[], poller: Poller): ChildProcess {
    const pid = this.spawn(path, args);
    const pidfd = Number(this.#lib.syscall(SYS_PIDFD_OPEN, BigInt(pid), 0n));
    if (pidfd < 0) {
      killGroup(pid);
      reap(pid, 0);
      check(pidfd, "pidfd_open");
    }
    const ended = new Promise<ExitStatus>((resolve) => {
      poller.add(pidfd, () => {
        const status = reap(pid, WNOHANG);
        if (status === undefined) return;
        poller.remove(pidfd);
        libc().close(pidfd);
        resolve(status);
      });
    });
    return { ended, hasGroup: () => isGroup(pid), kill: () => killGroup(pid) };
  }

  /** Gives what was prepared back. */
  close(): void {
    const { free } = libc();
    this.#lib.posix_spawn_file_actions_destroy(this.#actions);
    this.#lib.posix_spawnattr_destroy(this.#attributes);
    for (const memory of [this.#actions, this.#attributes, this.#environment]) free(memory);
  }
}

/** Descriptors of the child: nothing to read, the outputs asked for, and nothing else of ours. */
function fileActions({ stdout, stderr, descriptors = [] }: LaunchOptions): bigint {
  const lib = spawnLibrary();
  const actions = libc().malloc(OBJECT_BYTES);
  const nowhere = toCString("/dev/null");
  lib.posix_spawn_file_actions_init(actions);
  lib.posix_spawn_file_actions_addopen(actions, 0, nowhere, O_RDWR, 0);
  if (stdout === "null") lib.posix_spawn_file_actions_addopen(actions, 1, nowhere, O_RDWR, 0);
  if (stderr === "null") lib.posix_spawn_file_actions_addopen(actions, 2, nowhere, O_RDWR, 0);
  descriptors.forEach((fd, i) => lib.posix_spawn_file_actions_adddup2(actions, fd, 3 + i));
  // libpcap's descriptors are open across exec.
  lib.posix_spawn_file_actions_addclosefrom_np?.(actions, 3 + descriptors.length);
  return actions;
}

function spawnAttributes(): bigint {
  const lib = spawnLibrary();
  const attributes = libc().malloc(OBJECT_BYTES);
  const allSignals = new Uint8Array(SIGSET_BYTES);
  lib.sigfillset(allSignals);
  lib.posix_spawnattr_init(attributes);
  lib.posix_spawnattr_setflags(
    attributes,
    POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK,
  );
  // The runtime ignores SIGPIPE, and a shell pipeline that inherits this never ends.
  lib.posix_spawnattr_setsigdefault(attributes, allSignals);
  lib.posix_spawnattr_setsigmask(attributes, new Uint8Array(SIGSET_BYTES));
  return attributes;
}

function killGroup(pid: number): void {
  spawnLibrary().kill(-pid, SIGKILL);
}

/** Signal 0 is for looking: kill(2). */
function isGroup(pid: number): boolean {
  return spawnLibrary().kill(-pid, 0) === 0 || errno() !== ESRCH;
}

/** The status of an ended child; undefined while it runs. */
function reap(pid: number, options: number): ExitStatus | undefined {
  const raw = new Int32Array(1);
  const ended = spawnLibrary().waitpid(pid, raw, options);
  if (ended === 0) return undefined;
  if (ended < 0) return UNKNOWN; // somebody else has waited for it
  const signal = raw[0] & 0x7f; // WTERMSIG, <bits/waitstatus.h>
  return signal === 0 ? { status: raw[0] >> 8 & 0xff } : { signal };
}

/** What a signal or exit status means, for a sentence about a command. */
export function describeExit(exit: ExitStatus): string {
  return "status" in exit
    ? `exited with status ${exit.status}`
    : `was ended by signal ${exit.signal}`;
}
