/**
 * What a configuration asks this process to open besides the sentry: files, firewall, guard, control
 * socket, metrics, notifications.
 *
 * @module
 */
import type { Poller } from "../ffi/epoll.ts";
import { FileLock } from "../ffi/file_lock.ts";
import { hostName } from "../ffi/libc.ts";
import { BlockMode, type Config } from "./config/config.ts";
import { formatEndpoint } from "./config/endpoint.ts";
import { StartError } from "./config/fault.ts";
import { reason } from "./config/load.ts";
import { answer, type ControlSubject } from "./control.ts";
import { ControlServer } from "./daemon/control_server.ts";
import { mayWrite } from "./daemon/permissions.ts";
import { inFolder, linkedFile, refuseFifo } from "./files.ts";
import { DEFAULT_CONTROL_SOCKET, DEFAULT_STATE_FILE } from "./limits.ts";
import { History } from "./log/history.ts";
import type { Logger } from "./log/logger.ts";
import { formatMetrics, type MetricFamily } from "./metrics/exposition.ts";
import { MetricsServer } from "./metrics/metrics_server.ts";
import type { NoticeCounts } from "./notify/channel.ts";
import { Notifier } from "./notify/notifier.ts";
import { Blockade } from "./response/blockade.ts";
import { BlockedSet } from "./response/blocked_set.ts";
import { LockoutGuard } from "./response/lockout_guard.ts";
import { lockTable, type TableLock } from "./response/table_lock.ts";
import { isDamaged, setAside } from "./state/database.ts";
import { ScanStore, type StoreCounts } from "./state/scan_store.ts";

/** What is told of a file that cannot be had; the reason follows. */
export const IN_VAIN = {
  history: "Cannot write the history file: ",
  blocked: "Cannot use it as BLOCKED_FILE: ",
  control: "Cannot listen there for commands: ",
} as const;

/** What is open for a configuration. */
export interface Resources {
  history?: History | undefined;
  blocked?: BlockedSet | undefined;
  guard?: LockoutGuard | undefined;
  blockade?: Blockade | undefined;
  control?: ControlServer | undefined;
  metrics?: MetricsServer | undefined;
  /** What reports are made of. */
  store?: ScanStore | undefined;
  notifier?: Notifier | undefined;
  /** Held as long as the state file is open. */
  stateLock?: FileLock | undefined;
  /** Held as long as there is a blockade. */
  tableLock?: TableLock | undefined;
}

/** What opening needs of the run. */
export interface ResourceParts {
  /** Whether a program besides this one listens on a TCP port, if any does. */
  isService: (port: number) => boolean;
  poller: Poller;
  /** What the control socket talks about. */
  subject: ControlSubject;
  /** What METRICS answers. */
  measure: () => Iterable<MetricFamily>;
  version: string;
  /** Counts of every notifier of the run. */
  notices: NoticeCounts;
  /** Counts of every store of the run. */
  stored: StoreCounts;
  /** Called when something was lost that nothing else tells of. */
  onLost: () => void;
  log: Logger;
}

/**
 * Opens what a configuration asks for, and keeps of the old what serves it, too.
 *
 * @throws {StartError} with nothing more open than before
 */
export function openResources(config: Config, old: Resources, parts: ResourceParts): Resources {
  const opened: Resources = {};
  try {
    opened.blocked = config.blockedFile === old.blocked?.path
      ? old.blocked
      : openBlocked(config.blockedFile);
    opened.history = openHistory(config, old.history, parts);
    opened.guard = openGuard(config, old.guard, parts);
    opened.control = openControl(config, old.control, parts);
    opened.metrics = openMetrics(config, old.metrics, parts);
    opened.stateLock = lockState(config, old.stateLock);
    opened.tableLock = blocks(config)
      ? old.tableLock ?? lockTable(config, parts.poller, parts.log)
      : undefined;
    opened.blockade = openBlockade(config, old.blockade, opened.guard, parts);
    opened.store = openStore(config, old.store, parts);
    opened.notifier = openNotifier(config, old.notifier, parts);
    return opened;
  } catch (error) {
    abandonResources(opened, old);
    throw error;
  }
}

/** Closes what was opened in vain; the old goes on as if nothing had been. */
export function abandonResources(opened: Resources, old: Resources): void {
  const another = opened.blockade !== undefined && opened.blockade !== old.blockade;
  closeResources(opened, old);
  if (another) old.blockade?.reassert();
}

/** Closes all that is not also among those that stay; the history file is not waited for. */
export function closeResources(resources: Resources, stay: Resources): void {
  if (resources.history !== stay.history) resources.history?.close();
  if (resources.blocked !== stay.blocked) resources.blocked?.close();
  if (resources.control !== stay.control) resources.control?.close();
  if (resources.metrics !== stay.metrics) resources.metrics?.close();
  if (resources.store !== stay.store) resources.store?.close();
  if (resources.notifier !== stay.notifier) resources.notifier?.close();
  // Another one may have the kernel's table already.
  const keep = stay.blockade ? true : undefined;
  if (resources.blockade !== stay.blockade) resources.blockade?.close(keep);
  if (resources.guard !== stay.guard) resources.guard?.close();
  if (resources.stateLock !== stay.stateLock) resources.stateLock?.release();
  if (resources.tableLock !== stay.tableLock) resources.tableLock?.release();
}

/** The one of the same path goes on, with what waits in it: only its file may be another one. */
function openHistory(
  { historyFile }: Config,
  old: History | undefined,
  { log }: ResourceParts,
): History | undefined {
  if (historyFile === undefined) return undefined;
  try {
    if (old?.path !== historyFile) {
      const onReplaced = () =>
        log.notice(`${historyFile} was moved or deleted, and is opened anew`);
      return new History(historyFile, onReplaced);
    }
    old.reopen();
    return old;
  } catch (error) {
    throw fileFault(historyFile, IN_VAIN.history, error);
  }
}

function openBlocked(path: string | undefined): BlockedSet | undefined {
  if (path === undefined) return undefined;
  try {
    refuseFifo(path);
    return BlockedSet.open(path);
  } catch (error) {
    throw fileFault(path, IN_VAIN.blocked, error);
  }
}

function openGuard(
  config: Config,
  old: LockoutGuard | undefined,
  { isService, log }: ResourceParts,
): LockoutGuard | undefined {
  const acts = config.firewall !== undefined || config.blockTcp !== BlockMode.LogOnly ||
    config.blockUdp !== BlockMode.LogOnly;
  if (!config.lockoutGuard || !acts) return undefined;
  return old ?? new LockoutGuard({ isService, onWarning: (text) => log.error(text) });
}

/** Whether the kernel's firewall is used. */
function blocks({ firewall, dryRun }: Config): boolean {
  return firewall !== undefined && !dryRun;
}

function openBlockade(
  config: Config,
  old: Blockade | undefined,
  guard: LockoutGuard | undefined,
  { poller, log }: ResourceParts,
): Blockade | undefined {
  if (!blocks(config)) return undefined;
  if (old?.serves(config)) return old;
  return new Blockade({ config, poller, guard, log, inForce: old?.blocks.list() ?? [] });
}

/** A configuration that names no socket gets one where that can be had. */
function openControl(
  { controlSocket }: Config,
  old: ControlServer | undefined,
  { poller, subject, log }: ResourceParts,
): ControlServer | undefined {
  const path = controlSocket ?? DEFAULT_CONTROL_SOCKET;
  if (path === old?.path) return old;
  try {
    return new ControlServer({
      path,
      poller,
      answer: (request) => answer(request, subject),
      onRefused: (text) => log.error(text),
    });
  } catch (error) {
    const fault = fileFault(path, IN_VAIN.control, error);
    if (controlSocket !== undefined) throw fault;
    log.verbose(fault.message);
    return undefined;
  }
}

function openMetrics(
  { file, metrics }: Config,
  old: MetricsServer | undefined,
  { measure, log }: ResourceParts,
): MetricsServer | undefined {
  if (!metrics) return undefined;
  const { host, port } = metrics;
  if (old?.options.host === host && old.options.port === port) return old;
  try {
    return new MetricsServer({
      host,
      port,
      scrape: () => formatMetrics(measure()),
      onFailure: (text) => log.error(`METRICS: ${text}`),
    });
  } catch (error) {
    const message = `METRICS="${formatEndpoint(metrics)}": cannot listen there: ` +
      reason(error, "");
    throw new StartError([{ where: file, line: 0, message }]);
  }
}

function openNotifier(
  config: Config,
  old: Notifier | undefined,
  { version, notices, onLost, log }: ResourceParts,
): Notifier | undefined {
  const { notifyTargets, notifyFormat, notifyWindowS } = config;
  if (!notifyTargets) return undefined;
  if (old?.serves(config)) return old;
  return new Notifier({
    targets: notifyTargets,
    format: notifyFormat,
    windowS: notifyWindowS,
    observer: { host: hostName(), version },
    log,
    onLost,
    counts: notices,
  });
}

/** The state file of a configuration; undefined when it asks for none. */
export function stateFileOf({ stateFile, firewall }: Config): string | undefined {
  return stateFile ?? (firewall === undefined ? undefined : DEFAULT_STATE_FILE);
}

/**
 * One program has a state file: two would write over each other's blocks and sums, and each would
 * forget what the other has blocked. The lock is on a file of its own, since the
 * database's own locks are lost when any descriptor of it is closed.
 */
function lockState(config: Config, old: FileLock | undefined): FileLock | undefined {
  const path = stateFileOf(config);
  if (path === undefined || !mayWrite(path)) return undefined;
  const lockPath = `${linkedFile(path)}-lock`;
  if (old?.path === lockPath) return old;
  let lock: FileLock | undefined;
  try {
    lock = inFolder(path, () => FileLock.take(lockPath), 0o700);
  } catch {
    return undefined; // nothing can be kept there, either: whoever opens the state file tells why
  }
  if (lock) return lock;
  const message = "another running portsentry keeps its state there: " +
    "let each have a STATE_FILE of its own";
  throw new StartError([{ where: path, line: 0, message }]);
}

/** Reports are a convenience: that they cannot be kept is told, and is no reason not to watch. */
function openStore(
  config: Config,
  old: ScanStore | undefined,
  { stored, log }: ResourceParts,
): ScanStore | undefined {
  const path = stateFileOf(config);
  if (path === undefined || path === old?.path) return path === undefined ? undefined : old;
  try {
    try {
      return new ScanStore(path, log, undefined, stored);
    } catch (error) {
      if (!isDamaged(error)) throw error;
      const aside = setAside(path);
      log.error(`STATE_FILE ${path} is damaged (${reason(error, path)}): set aside as ${aside}`);
      return new ScanStore(path, log, undefined, stored);
    }
  } catch (error) {
    log.error(
      `Cannot keep what is scanned in STATE_FILE ${path}: ${reason(error, path)}: ` +
        "reports will lack this run",
    );
    return undefined;
  }
}

/** A file that cannot be opened, as a fault. */
export function fileFault(path: string, what: string, error: unknown): StartError {
  return new StartError([{ where: path, line: 0, message: what + reason(error, path) }]);
}
