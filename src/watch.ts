/**
 * A run of the sentry: its parts put together, in the order they depend on each other.
 *
 * @module
 */
import { Poller } from "../ffi/epoll.ts";
import type { Options } from "./cli.ts";
import type { Config } from "./config/config.ts";
import { formatFault, StartError } from "./config/fault.ts";
import { loadSettings, reason, refuseFifo, type Settings } from "./config/load.ts";
import { PidFile } from "./daemon/pid_file.ts";
import { Detector } from "./detector/detector.ts";
import { SourceTable } from "./detector/source_table.ts";
import {
  END_MS,
  LAST_DRAIN_MS,
  LAST_WORDS_MS,
  OUTPUT_CLOSE_MS,
  RESPONSE_CLOSE_MS,
  SOURCE_TABLE_ENTRIES,
} from "./limits.ts";
import { EventLog } from "./log/event_log.ts";
import { History } from "./log/history.ts";
import { LineOutput } from "./log/line_output.ts";
import type { LogOutput } from "./log/log_output.ts";
import { Logger } from "./log/logger.ts";
import { type LossCounter, LossReport } from "./log/loss_report.ts";
import { StreamOutput } from "./log/stream_output.ts";
import { SyslogOutput } from "./log/syslog.ts";
import { Pipeline } from "./pipeline.ts";
import { BlockedSet } from "./response/blocked_set.ts";
import { CommandRunner } from "./response/command.ts";
import { HostNames } from "./response/host_names.ts";
import { HostsDeny } from "./response/hosts_deny.ts";
import { requireResponses } from "./response/requirements.ts";
import { Responder } from "./response/responder.ts";
import { ConnectSentry } from "./sentry/connect_sentry.ts";
import { InterfaceFollower } from "./sentry/interface_follower.ts";
import { listInterfaces } from "./sentry/interfaces.ts";
import { PcapMethod } from "./sentry/pcap_method.ts";
import { RawMethod } from "./sentry/raw_method.ts";
import { openServices, type Services } from "./sentry/services.ts";
import { StealthSentry } from "./sentry/stealth_sentry.ts";

/** Watches with one command line, and with the settings its files have at the time. */
export class Watch {
  readonly #options: Options;
  #settings: Settings;
  readonly #log: Logger;
  readonly #eventLog: EventLog;
  readonly #outputs: LogOutput[];
  readonly #stderr: LogOutput;
  readonly #poller = new Poller();
  readonly #sources = new SourceTable(SOURCE_TABLE_ENTRIES);
  readonly #services: Services | undefined;
  readonly #names = new HostNames();
  readonly #responder: Responder;
  readonly #pipeline: Pipeline;
  #sentry: StealthSentry | ConnectSentry | undefined;
  #follower: InterfaceFollower | undefined;
  readonly #losses: LossReport;
  /** Those that a reload has replaced, until what they could not write is told. */
  readonly #oldHistories = new Set<History>();
  #blocked: BlockedSet | undefined;
  #pidFile: PidFile | undefined;

  private constructor(options: Options, settings: Settings) {
    this.#options = options;
    this.#settings = settings;
    const { config, ignore } = settings;
    const stdout = new LineOutput("stdout", Deno.stdout);
    const stderr = new LineOutput("stderr", Deno.stderr);
    const syslog = new SyslogOutput();
    const toStdout = options.logOutputs.includes("stdout");
    const toSyslog = options.logOutputs.includes("syslog");
    this.#stderr = stderr;
    this.#outputs = [...(toStdout ? [stdout] : []), ...(toSyslog ? [syslog] : []), stderr];
    const outputs = [
      new StreamOutput(toStdout ? stdout : undefined, stderr),
      ...(toSyslog ? [syslog] : []),
    ];
    const log = this.#log = new Logger({ ...options, outputs });
    this.#eventLog = new EventLog(outputs);
    this.#responder = new Responder({
      config,
      blocked: undefined,
      hostsDeny: new HostsDeny(),
      commands: new CommandRunner(this.#poller),
      log,
    });
    // In connect mode the service at every port is this program itself.
    this.#services = options.disableServiceCheck || options.mode === "connect"
      ? undefined
      : openServices((text) => log.verbose(text), (text) => log.error(text));
    this.#pipeline = new Pipeline({
      detector: new Detector(config, ignore, this.#sources, options),
      services: this.#services,
      names: config.resolveHost ? this.#names : undefined,
      responder: this.#responder,
      ignoreFile: config.ignoreFile ?? "",
      eventLog: this.#eventLog,
      mode: options.mode,
      log,
    });
    this.#losses = new LossReport(log, () => this.#lossyOutputs(), () => this.#lossCounters());
  }

  /**
   * Opens everything a watch needs. Nothing on disk changes before all else has worked.
   *
   * @throws {StartError} with what the user has to mend
   */
  static async start(options: Options, settings: Settings): Promise<Watch> {
    requireResponses(settings.config);
    const watch = new Watch(options, settings);
    for (const warning of settings.warnings) watch.#log.error(formatFault(warning));
    watch.#openSentry();
    await watch.#openFiles();
    return watch;
  }

  /** Watches until {@link stop}, and then puts everything in order. */
  async run(): Promise<void> {
    this.#poller.onRound = () => this.#losses.soon();
    this.#log.notice("Portsentry is now active and listening.");
    this.#losses.soon();
    await this.#poller.run();
    this.#losses.close();
    await this.#end();
  }

  /** Ends {@link run}. */
  stop(): void {
    this.#poller.stop();
  }

  /** Reads the files again; when they have faults, everything stays as it is. */
  reload(): void {
    try {
      const settings = loadSettings(this.#options.configFile);
      requireResponses(settings.config);
      const { config } = settings;
      const blocked = config.blockedFile === this.#settings.config.blockedFile
        ? this.#blocked
        : this.#openBlocked(config.blockedFile);
      const history = openHistory(config);
      try {
        this.#watchPorts(config);
      } catch (error) {
        history?.close();
        throw error;
      }
      this.#apply(settings, history, blocked);
      for (const warning of settings.warnings) this.#log.error(formatFault(warning));
      this.#log.notice("The configuration has been read again");
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      for (const fault of error.faults) this.#log.error(formatFault(fault));
      this.#log.error("The configuration has faults: the old one stays in force");
    }
  }

  /** From here on nothing can fail. */
  #apply(settings: Settings, history: History | undefined, blocked: BlockedSet | undefined): void {
    const { config, ignore } = settings;
    this.#settings = settings;
    this.#retire(this.#eventLog.history);
    this.#eventLog.history = history;
    if (blocked !== this.#blocked) this.#blocked?.close();
    this.#blocked = blocked;
    blocked?.repair((text) => this.#log.error(text));
    this.#responder.reconfigure({ config, blocked });
    this.#pipeline.reconfigure({
      detector: new Detector(config, ignore, this.#sources, this.#options),
      names: config.resolveHost ? this.#names : undefined,
      ignoreFile: config.ignoreFile ?? "",
    });
  }

  #retire(history: History | undefined): void {
    if (!history) return;
    this.#oldHistories.add(history);
    history.close().then(() => {
      this.#losses.tell();
      this.#oldHistories.delete(history);
    });
  }

  /** @throws {StartError} when these ports cannot be watched; the old ones are, then */
  #watchPorts(config: Config): void {
    try {
      if (this.#sentry instanceof ConnectSentry) this.#sentry.watch(config, config.portBanner);
      else this.#sentry?.watch(config);
    } catch (error) {
      if (error instanceof StartError) throw error;
      // The kernel has no memory for the filters or sockets: that is no reason to end.
      const message = `Cannot watch these ports: ${reason(error, config.file)}`;
      throw new StartError([{ where: config.file, line: 0, message }]);
    }
  }

  #openSentry(): void {
    if (this.#options.mode === "connect") this.#listen();
    else this.#capture();
  }

  #listen(): void {
    const { config } = this.#settings;
    const { tcpPorts, udpPorts, portBanner } = config;
    this.#sentry = new ConnectSentry({
      tcpPorts,
      udpPorts,
      banner: portBanner,
      poller: this.#poller,
      onPacket: (packet) => this.#pipeline.take(packet),
      onVerbose: (text) => this.#log.verbose(text),
      onFailure: (text) => this.#log.error(text),
    });
  }

  #capture(): void {
    const log = this.#log;
    const sentry = new StealthSentry({
      method: this.#options.method === "raw"
        ? new RawMethod((text) => log.verbose(text))
        : new PcapMethod(this.#options.interfaces),
      ports: this.#settings.config,
      poller: this.#poller,
      onPacket: (packet) => this.#pipeline.take(packet),
      onVerbose: (text) => log.verbose(text),
      onFailure: (text) => {
        log.error(text);
        follower.soon();
      },
    });
    // The kernel tells of changes from here on, so that none is missed after the first look.
    const follower = new InterfaceFollower(
      this.#poller,
      (interfaces) => sentry.follow(interfaces),
      (text) => log.error(text),
    );
    const interfaces = listInterfaces();
    const { faults } = sentry.select(interfaces);
    if (faults.length > 0) {
      const where = "portsentry: option '-i, --interface <name>'";
      throw new StartError(faults.map((message) => ({ where, line: 0, message })));
    }
    sentry.start(interfaces);
    this.#sentry = sentry;
    this.#follower = follower;
  }

  async #openFiles(): Promise<void> {
    const { config } = this.#settings;
    const { pidFile } = this.#options;
    try {
      if (pidFile !== undefined) this.#pidFile = await PidFile.take(pidFile);
    } catch (error) {
      throw new StartError([{ where: pidFile!, line: 0, message: reason(error, pidFile!) }]);
    }
    try {
      const blocked = this.#openBlocked(config.blockedFile);
      this.#apply(this.#settings, openHistory(config), blocked);
    } catch (error) {
      this.#pidFile?.release();
      throw error;
    }
  }

  #openBlocked(path: string | undefined): BlockedSet | undefined {
    if (path === undefined) return undefined;
    try {
      refuseFifo(path);
      return BlockedSet.open(path);
    } catch (error) {
      const message = `Cannot use it as BLOCKED_FILE: ${reason(error, path)}`;
      throw new StartError([{ where: path, line: 0, message }]);
    }
  }

  async #end(): Promise<void> {
    const deadline = performance.now() + END_MS;
    this.#follower?.close();
    this.#sentry?.drain(LAST_DRAIN_MS);
    this.#losses.tell();
    this.#sentry?.close();
    await this.#settle();
    this.#log.verbose(this.#summary());
    this.#log.notice("Portsentry is shutting down");
    this.#services?.close();
    this.#blocked?.close();
    this.#pidFile?.release();
    const others = this.#outputs.filter((output) => output !== this.#stderr);
    const { history } = this.#eventLog;
    const limitMs = Math.min(OUTPUT_CLOSE_MS, deadline - performance.now() - LAST_WORDS_MS);
    await Promise.all([history, ...others].map((output) => output?.close(limitMs)));
    this.#losses.tell();
    await this.#stderr.close(Math.max(LAST_WORDS_MS, deadline - performance.now()));
    this.#poller.close();
  }

  /** Commands end as the poller tells, so it runs on until the last event is told. */
  async #settle(): Promise<void> {
    const polling = this.#poller.run();
    await this.#pipeline.settle(RESPONSE_CLOSE_MS);
    this.#names.close();
    this.#responder.close();
    await this.#pipeline.settle(RESPONSE_CLOSE_MS);
    this.#poller.stop();
    await polling;
  }

  #lossyOutputs(): LogOutput[] {
    const { history } = this.#eventLog;
    const histories = [...this.#oldHistories, ...(history ? [history] : [])];
    return [...this.#outputs, ...histories.map(({ output }) => output)];
  }

  *#lossCounters(): Iterable<LossCounter> {
    yield* this.#sentry?.losses() ?? [];
    const { notRun } = this.#responder;
    yield { what: "events were not responded to, too many waited", count: notRun };
  }

  #summary(): string {
    const { packets, services, events } = this.#pipeline.counters;
    const rejects = [...this.#sentry?.rejects ?? []].map(([name, count]) => `, ${count} ${name}`)
      .join("");
    return `${packets} packets, ${services} to services, ${events} events${rejects}`;
  }
}

function openHistory({ historyFile }: Config): History | undefined {
  if (historyFile === undefined) return undefined;
  try {
    refuseFifo(historyFile);
    return new History(historyFile);
  } catch (error) {
    const message = `Cannot write the history file: ${reason(error, historyFile)}`;
    throw new StartError([{ where: historyFile, line: 0, message }]);
  }
}
