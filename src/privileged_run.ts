/**
 * The privileges of one run: what its options and configuration need of them, and giving up the rest.
 *
 * @module
 */
import { Capability, credentials, type User } from "../ffi/credentials.ts";
import { raiseDescriptorLimit } from "../ffi/descriptor_limit.ts";
import { LibraryError } from "../ffi/libraries.ts";
import { loadPcap } from "../ffi/pcap.ts";
import { effectiveUser } from "../ffi/unix_stream.ts";
import type { Options } from "./cli.ts";
import { BlockMode, type Config } from "./config/config.ts";
import { formatEndpoint } from "./config/endpoint.ts";
import { type Fault, StartError } from "./config/fault.ts";
import type { Settings } from "./config/load.ts";
import {
  type DropPlan,
  dropPrivileges,
  foreseeKept,
  type Kept,
  UnknownUser,
} from "./daemon/drop.ts";
import {
  giveBack,
  type Held,
  heldPermissions,
  mayWrite,
  type Needed,
} from "./daemon/permissions.ts";
import { type Facts, type FileKind, privilegesFor, STAGES } from "./daemon/privileges.ts";
import { DEFAULT_CONTROL_SOCKET, LINGERING_CONNECTIONS, OTHER_DESCRIPTORS } from "./limits.ts";
import { SHELL } from "./response/command.ts";
import { HOSTS_DENY, HOSTS_DENY_NEW } from "./response/hosts_deny.ts";
import { stateFileOf } from "./resources.ts";
import { requirePermissions } from "./response/requirements.ts";
import { listInterfaces } from "./sentry/interfaces.ts";
import { captureMethod, interfaceFaults } from "./watched.ts";

const PRIVILEGED_PORTS = 1024;
const HISTORY_HEAD = /^\n?(?:$|[\dT:.+-]+ Scan from: \[|\{"@timestamp":")/;
const PIDFILE_HEAD = /^\d*\n?$/;
const SQLITE_FILES = ["", "-wal", "-shm", "-journal"];

/** What of a command line decides about privileges. */
export type Run = Pick<Options, "mode" | "pidFile">;

/** What of a configuration decides about privileges. */
export function factsOf(config: Config, mode: Options["mode"]): Facts {
  const { blockTcp, blockUdp, killRoute, killRunCmd, killHostsDeny, dryRun } = config;
  const blocks = !dryRun && [blockTcp, blockUdp].includes(BlockMode.Block);
  const acts = !dryRun && (blocks || [blockTcp, blockUdp].includes(BlockMode.RunCommand));
  const low = [config.tcpPorts, config.udpPorts].some(({ ranges }) =>
    ranges.some(({ first }) => first < PRIVILEGED_PORTS)
  );
  return {
    mode,
    lowPorts: low,
    state: stateFileOf(config) !== undefined,
    firewall: !dryRun && config.firewall !== undefined,
    metrics: config.metrics !== undefined,
    lowMetrics: (config.metrics?.port ?? Infinity) < PRIVILEGED_PORTS,
    notify: config.notifyTargets !== undefined,
    hostsDeny: blocks && killHostsDeny !== undefined,
    commands: (blocks && killRoute !== undefined) || (acts && killRunCmd !== undefined),
  };
}

/**
 * Gives up root as far as this run can do without it: then it starts anew and does not come here again.
 * Faults that can be seen before are told before, while nothing on disk has changed.
 *
 * @returns why all stays as it is
 * @throws {StartError} with what the user has to mend
 */
export function giveUpRoot(options: Options, { config }: Settings): Kept {
  requirePermissions(config);
  if (options.mode === "stealth") {
    const { faults } = captureMethod(options, () => {}).select(listInterfaces());
    if (faults.length > 0) throw interfaceFaults(faults);
  } else {
    // The limit stays, and only root can raise it beyond what was set for this process.
    const ports = config.tcpPorts.size + config.udpPorts.size;
    raiseDescriptorLimit(ports + LINGERING_CONNECTIONS + OTHER_DESCRIPTORS);
  }
  try {
    return dropPrivileges(planOf(options, config));
  } catch (error) {
    if (!(error instanceof UnknownUser)) throw error;
    throw new StartError([unknownUserFault(config, error)]);
  }
}

export function unknownUserFault({ file }: Config, { message }: UnknownUser): Fault {
  return { where: file, line: 0, message: `RUN_AS: ${message}` };
}

/** Why {@link giveUpRoot} would keep root for no need of the run's; undefined when it would not. */
export function foreseeRoot(run: Run, config: Config, user: User): string | undefined {
  return foreseeKept(planOf(run, config), user);
}

function planOf(run: Run, config: Config): DropPlan {
  const files = filesOf(run, config);
  const permitted = (kind: FileKind) => files[kind].filter(mayWrite);
  const socket = permitted("control socket");
  const named = config.controlSocket !== undefined;
  return {
    privileges: privilegesFor(factsOf(config, run.mode)),
    runAs: config.runAs,
    read: [...files.configuration, ...files["ignore file"]],
    write: {
      single: [
        ...permitted("history").map((path) => ({ path, mode: 0o640, head: HISTORY_HEAD })),
        ...permitted("pidfile").map((path) => ({ path, mode: 0o644, head: PIDFILE_HEAD })),
      ],
      managed: [
        ...permitted("blocked file"),
        ...permitted("state file").slice(0, 1),
        ...(named ? socket : []),
      ],
    },
    wished: { single: [], managed: named ? [] : socket },
  };
}

/** Gives every Deno permission back that a run which watches needs no more. */
export function giveUpPermissions(options: Options, config: Config): void {
  // Libraries that are opened stay so: those that may be needed later are opened now.
  effectiveUser();
  if (options.mode === "stealth") loadPcapIfThere();
  giveBack(keptPermissions(options, config));
}

/** What Deno may be asked for as long as a run watches. */
export function keptPermissions(run: Run, config: Config): Needed {
  const { read, write, run: shell } = privilegesFor(factsOf(config, run.mode));
  const files = filesOf(run, config);
  return {
    read: [...read].flatMap((kind) => files[kind]),
    write: [...write].flatMap((kind) => files[kind]),
    net: [
      ...(config.metrics ? [formatEndpoint(config.metrics)] : []),
      ...(config.notifyTargets ?? []).map(({ endpoint }) => endpoint),
    ],
    run: shell ? [SHELL] : [],
  };
}

/** What another configuration needs that was given up when the first one was in force. */
export function givenUp(mode: Options["mode"], first: Config, next: Config): Fault[] {
  const before = factsOf(first, mode);
  const after = factsOf(next, mode);
  const { uid, effective } = credentials();
  const messages = STAGES.filter(({ applies }) => applies(after) && !applies(before))
    .filter(({ identity, capabilities, read, write, library, net, run }) =>
      library || net || run || read.length + write.length > 0 || capabilities === "all" ||
      (identity === "root" && uid !== 0) ||
      capabilities.some((name) => (effective >> BigInt(Capability[name]) & 1n) === 0n)
    ).map(({ why }) => `${why}: what that needs was given up at the start: restart portsentry`);
  if (next.runAs !== first.runAs) {
    messages.push("RUN_AS has another value now: restart portsentry");
  }
  return messages.map((message) => ({ where: next.file, line: 0, message }));
}

/** What a process holds. */
export interface HeldPrivileges {
  user: number;
  group: number;
  groups: number[];
  capabilities: string[];
  /** What it, or a program that it starts, could still come by. */
  boundingSet: string[];
  noNewPrivileges: boolean;
  deno: Held;
}

/** What this process holds now, as `portsentry status` shows it. */
export function heldPrivileges(): HeldPrivileges {
  const { uid, gid, groups, effective, bounding, noNewPrivileges } = credentials();
  return {
    user: uid,
    group: gid,
    groups,
    capabilities: capabilityNames(effective),
    boundingSet: capabilityNames(bounding),
    noNewPrivileges,
    deno: heldPermissions(),
  };
}

/** Names of a set; those that this program has nothing to do with by their numbers. */
function capabilityNames(set: bigint): string[] {
  const names = new Map<number, string>(
    Object.entries(Capability).map(([name, number]) => [number, name]),
  );
  return Array.from({ length: 64 }, (_, number) => number)
    .filter((number) => (set >> BigInt(number) & 1n) === 1n)
    .map((number) => names.get(number) ?? `capability ${number}`);
}

/** Every file of a run, by what it is for. */
function filesOf(run: Run, config: Config): Record<FileKind, string[]> {
  const one = (path: string | undefined) => path === undefined ? [] : [path];
  const state = stateFileOf(config);
  return {
    "configuration": [config.file],
    "ignore file": one(config.ignoreFile),
    "history": one(config.historyFile),
    "blocked file": one(config.blockedFile),
    "state file": state === undefined ? [] : SQLITE_FILES.map((end) => state + end),
    "control socket": [config.controlSocket ?? DEFAULT_CONTROL_SOCKET],
    "pidfile": one(run.pidFile),
    "hosts.deny": [HOSTS_DENY, HOSTS_DENY_NEW],
  };
}

/** Without libpcap `-m raw` does without it, and `-m pcap` has told so. */
function loadPcapIfThere(): void {
  try {
    loadPcap();
  } catch (error) {
    if (!(error instanceof LibraryError)) throw error;
  }
}
