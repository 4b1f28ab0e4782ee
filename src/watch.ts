/**
 * A run of the sentry: its parts put together, in the order they depend on each other.
 *
 * @module
 */
import { Poller } from "../ffi/epoll.ts";
import { notifyOfBlock } from "./block_notices.ts";
import type { Options } from "./cli.ts";
import { withoutEffectIn } from "./config/combinations.ts";
import type { Config } from "./config/config.ts";
import { type Fault, formatFault, StartError } from "./config/fault.ts";
import { loadSettings, type Settings } from "./config/load.ts";
import type { ControlSubject } from "./control.ts";
import { ServiceManager } from "./daemon/notify.ts";
import type { Kept } from "./daemon/drop.ts";
import { PidFile } from "./daemon/pid_file.ts";
import { Detector } from "./detector/detector.ts";
import { SourceTable } from "./detector/source_table.ts";
import type { ScanEvent } from "./event/scan_event.ts";
import {
  END_MS,
  LAST_DRAIN_MS,
  LAST_WORDS_MS,
  NOTICE_CLOSE_MS,
  OUTPUT_CLOSE_MS,
  RESPONSE_CLOSE_MS,
  SOURCE_TABLE_ENTRIES,
} from "./limits.ts";
import type { Logger } from "./log/logger.ts";
import { LossReport } from "./log/loss_report.ts";
import { ScanLog } from "./log/scan_log.ts";
import { metricFamilies } from "./metrics/families.ts";
import type { NoticeCounts } from "./notify/channel.ts";
import type { BlockDetails } from "./notify/notifier.ts";
import { Pipeline } from "./pipeline.ts";
import { CommandRunner } from "./response/command.ts";
import { HostNames } from "./response/host_names.ts";
import { HostsDeny } from "./response/hosts_deny.ts";
import { givenUp, giveUpPermissions } from "./privileged_run.ts";
import { requirePermissions } from "./response/requirements.ts";
import { Responder } from "./response/responder.ts";
import {
  abandonResources,
  closeResources,
  fileFault,
  openResources,
  type Resources,
} from "./resources.ts";
import type { StoreCounts } from "./state/scan_store.ts";
import { RunOutputs } from "./run_outputs.ts";
import { RunReport } from "./run_report.ts";
import { Scans } from "./scans.ts";
import { openServices, type Services } from "./sentry/services.ts";
import { Unsolicited } from "./sentry/unsolicited.ts";
import { openWatched, type Watched } from "./watched.ts";

/** Watches with one command line, and with the settings its files have at the time. */
export class Watch {
  readonly #options: Options;
  readonly #version: string;
  #settings: Settings;
  /** What the privileges were given up for. */
  readonly #first: Config;
  readonly #log: Logger;
  readonly #outputs: RunOutputs;
  readonly #poller = new Poller();
  readonly #sources = new SourceTable(SOURCE_TABLE_ENTRIES);
  readonly #services: Services | undefined;
  readonly #unsolicited: Unsolicited | undefined;
  readonly #names = new HostNames();
  readonly #responder: Responder;
  readonly #scans: Scans;
  readonly #pipeline: Pipeline;
  #watched: Watched | undefined;
  #resources: Resources = {};
  /** Notifications sent and lost, whatever NOTIFY_URL was meanwhile. */
  readonly #notices: NoticeCounts = { sent: 0, lost: 0 };
  readonly #stored: StoreCounts = { lost: 0 };
  readonly #report: RunReport;
  readonly #losses: LossReport;
  /** This run, as its control socket shows it. */
  readonly #subject: ControlSubject = {
    view: () => ({
      config: this.#settings.config,
      blocks: this.#resources.blockade?.blocks,
      reasonToSpare: (host) => this.#resources.guard?.reasonToSpare(host),
    }),
    status: () => this.#report.status(),
    top: () => this.#report.top(),
    reload: () => this.reload(),
    log: (text) => this.#log.notice(text),
  };
  #pidFile: PidFile | undefined;
  readonly #manager = new ServiceManager();

  private constructor(options: Options, settings: Settings, version: string) {
    this.#options = options;
    this.#version = version;
    this.#settings = settings;
    this.#first = settings.config;
    const { config, ignore } = settings;
    this.#outputs = new RunOutputs(options, version);
    const { log, events } = this.#outputs;
    this.#log = log;
    this.#responder = new Responder({
      config,
      blocked: undefined,
      blocks: undefined,
      hostsDeny: new HostsDeny(),
      commands: new CommandRunner(this.#poller),
      onBlocked: (event, block) => {
        this.#resources.store?.countBlock();
        this.#pipeline.lately.block(event, Date.now());
        if (!block) this.#scans.noteBlocked(event.source);
        this.#notify(event, { done: true, block });
      },
      onLasting: (source) => this.#scans.noteBlocked(source),
      onDryRun: (event) => this.#notify(event, { done: false }),
      log,
    });
    this.#scans = new Scans(config, new ScanLog(events, log), () => this.#resources);
    // In connect mode the service at every port is this program itself.
    this.#services = options.disableServiceCheck || options.mode === "connect"
      ? undefined
      : openServices((text) => log.verbose(text), (text) => log.error(text));
    // In connect mode nobody can come to a port without having opened a connection.
    this.#unsolicited = options.mode === "connect"
      ? undefined
      : new Unsolicited(this.#poller, (text) => log.error(text));
    this.#pipeline = new Pipeline({
      detector: new Detector(config, ignore, this.#sources, options),
      services: this.#services,
      unsolicited: this.#unsolicited,
      names: config.resolveHost ? this.#names : undefined,
      responder: this.#responder,
      reasonToSpare: () => undefined,
      ignoreFile: config.ignoreFile ?? "",
      eventLog: events,
      scans: this.#scans,
      store: undefined,
      mode: options.mode,
      log,
    });
    this.#report = new RunReport({
      options,
      version,
      pipeline: this.#pipeline,
      responder: this.#responder,
      scans: this.#scans,
      now: () => ({
        config: this.#settings.config,
        watched: this.#watched,
        resources: this.#resources,
      }),
      linesLost: () => this.#outputs.linesLost,
      notices: this.#notices,
      stored: this.#stored,
    });
    this.#losses = new LossReport(log, () => this.#outputs.lossy, () => this.#report.losses());
  }

  /**
   * Opens everything a watch needs. Nothing on disk changes before all else has worked. What is not
   * needed any more once it is open is given up.
   *
   * @param kept why the privileges are as they are, to be told
   * @throws {StartError} with what the user has to mend
   */
  static async start(
    options: Options,
    settings: Settings,
    kept: Kept,
    version: string,
  ): Promise<Watch> {
    requirePermissions(settings.config);
    const watch = new Watch(options, settings, version);
    if (kept.text !== "") watch.#log[kept.level](kept.text);
    watch.#warn(settings);
    watch.#watched = openWatched({
      options,
      config: settings.config,
      poller: watch.#poller,
      onPacket: (packet) => watch.#pipeline.take(packet),
      unsolicited: watch.#unsolicited,
      log: watch.#log,
    });
    await watch.#takePidFile();
    try {
      watch.#apply(settings, watch.#open(settings.config));
    } catch (error) {
      watch.#pidFile?.release();
      throw error;
    }
    giveUpPermissions(options, settings.config);
    return watch;
  }

  /** Watches until {@link stop}, and then puts everything in order. */
  async run(): Promise<void> {
    this.#poller.onRound = () => this.#losses.soon();
    this.#poller.mustPause = () => this.#outputs.areBehind;
    this.#log.notice("Portsentry is now active and listening.");
    this.#losses.soon();
    this.#manager.ready(this.#poller, () => this.#report.statusLine());
    await this.#poller.run();
    this.#manager.stopping();
    this.#losses.close();
    await this.#end();
  }

  /** Ends {@link run}. */
  stop(): void {
    this.#poller.stop();
  }

  /**
   * Reads the files again; when they have faults, everything stays as it is.
   *
   * @returns the faults
   */
  reload(): Fault[] {
    this.#manager.reloading();
    try {
      const settings = loadSettings(this.#options.configFile);
      const lost = givenUp(this.#options.mode, this.#first, settings.config);
      if (lost.length > 0) throw new StartError(lost);
      requirePermissions(settings.config);
      const opened = this.#open(settings.config);
      try {
        this.#watched?.watch(settings.config);
      } catch (error) {
        abandonResources(opened, this.#resources);
        throw error;
      }
      this.#apply(settings, opened);
      this.#warn(settings);
      this.#log.notice("The configuration has been read again");
      return [];
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      for (const fault of error.faults) this.#log.error(formatFault(fault));
      this.#log.error("The configuration has faults: the old one stays in force");
      return error.faults;
    } finally {
      this.#manager.reloaded(this.#report.statusLine());
    }
  }

  #warn({ config, warnings }: Settings): void {
    const ofMode = withoutEffectIn(this.#options.mode, config);
    for (const warning of [...warnings, ...ofMode]) this.#log.error(formatFault(warning));
  }

  /** From here on nothing can fail. */
  #apply(settings: Settings, resources: Resources): void {
    const { config, ignore } = settings;
    const { history, blocked, blockade, guard, store, notifier } = resources;
    const { history: _closedByOutputs, ...old } = this.#resources;
    this.#settings = settings;
    this.#resources = resources;
    if (!blockade) old.blockade?.tellStaying();
    this.#outputs.changeHistory(history, config.historyFormat, () => this.#losses.tell());
    closeResources(old, resources);
    blocked?.repair((text) => this.#log.error(text));
    blockade?.reconfigure(config, guard, ignore);
    notifier?.reconfigure(config);
    guard?.notify((config.notifyTargets ?? []).map(({ host }) => host));
    this.#responder.reconfigure({ config, blocked, blocks: blockade?.blocks });
    this.#scans.reconfigure(config);
    this.#pipeline.reconfigure({
      detector: new Detector(config, ignore, this.#sources, this.#options),
      names: config.resolveHost ? this.#names : undefined,
      reasonToSpare: (host) => guard?.reasonToSpare(host),
      ignoreFile: config.ignoreFile ?? "",
      store,
    });
  }

  #open(config: Config): Resources {
    return openResources(config, this.#resources, {
      // In connect mode everyone who probes has a connection to a port of ours.
      isService: (port) => !this.#watched?.listensOn(port),
      poller: this.#poller,
      subject: this.#subject,
      measure: () => metricFamilies(this.#report.measured()),
      version: this.#version,
      notices: this.#notices,
      stored: this.#stored,
      onLost: () => this.#losses.soon(),
      log: this.#log,
    });
  }

  #notify(event: ScanEvent, details: BlockDetails): void {
    const names = this.#settings.config.resolveHost ? this.#names : undefined;
    notifyOfBlock(event, details, this.#resources.notifier, names);
  }

  async #takePidFile(): Promise<void> {
    const { pidFile } = this.#options;
    if (pidFile === undefined) return;
    try {
      this.#pidFile = await PidFile.take(pidFile);
    } catch (error) {
      throw fileFault(pidFile, "", error);
    }
  }

  async #end(): Promise<void> {
    const deadline = performance.now() + END_MS;
    const { control, metrics, notifier, history: _closedByOutputs, ...others } = this.#resources;
    control?.close();
    metrics?.close();
    this.#watched?.settle();
    this.#watched?.sentry.drain(LAST_DRAIN_MS);
    this.#losses.tell();
    this.#watched?.sentry.close();
    await this.#settle();
    this.#scans.end();
    this.#log.verbose(this.#report.summary());
    this.#log.notice("Portsentry is shutting down");
    this.#manager.close();
    this.#services?.close();
    this.#unsolicited?.close();
    closeResources(others, {});
    this.#pidFile?.release();
    const limitMs = Math.min(OUTPUT_CLOSE_MS, deadline - performance.now() - LAST_WORDS_MS);
    const notified = notifier?.close(Math.min(limitMs, NOTICE_CLOSE_MS));
    await Promise.all([notified, this.#outputs.close(limitMs)]);
    this.#losses.tell();
    await this.#outputs.closeLast(Math.max(LAST_WORDS_MS, deadline - performance.now()));
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
}
