/**
 * What a run tells about itself: `portsentry status`, METRICS, the service manager's line, the sums
 * at the end.
 *
 * @module
 */
import type { Options } from "./cli.ts";
import type { Config } from "./config/config.ts";
import type { LossCounter } from "./log/loss_report.ts";
import type { Measured } from "./metrics/families.ts";
import type { NoticeCounts } from "./notify/channel.ts";
import type { StoreCounts } from "./state/scan_store.ts";
import { describeTargets } from "./notify/notifier.ts";
import type { Pipeline } from "./pipeline.ts";
import { heldPrivileges } from "./privileged_run.ts";
import type { Resources } from "./resources.ts";
import type { Scans } from "./scans.ts";
import type { Responder } from "./response/responder.ts";
import type { Watched } from "./watched.ts";

/** A run as it is now: a reload changes what it is made of. */
export interface ReportedRun {
  options: Options;
  version: string;
  pipeline: Pipeline;
  responder: Responder;
  scans: Scans;
  now(): { config: Config; watched: Watched | undefined; resources: Resources };
  /** Log lines lost so far. */
  linesLost(): number;
  notices: NoticeCounts;
  stored: StoreCounts;
}

/** Looks at a run, and changes nothing. */
export class RunReport {
  readonly #run: ReportedRun;
  readonly #startMs = Date.now();

  constructor(run: ReportedRun) {
    this.#run = run;
  }

  /** What `portsentry status` shows. */
  status(): Record<string, unknown> {
    const { options, version, pipeline, responder } = this.#run;
    const { config, watched, resources } = this.#run.now();
    const { packets, services, events } = pipeline.counters;
    const { notifier, blockade: { blocks } = {} } = resources;
    return {
      version,
      pid: Deno.pid,
      mode: this.#mode(),
      configuration: options.configFile,
      since: new Date(this.#startMs).toISOString(),
      watching: watched?.sentry.watched ?? [],
      counters: {
        packets,
        packetsToServices: services,
        probes: events,
        lostBeforeReading: this.#kernelDrops(),
        notRespondedTo: responder.notRun,
        responsesUnderWay: responder.underWay,
        ...(notifier && {
          notificationsSent: notifier.counts.sent,
          notificationsLost: notifier.counts.lost,
          notificationsWaiting: notifier.waiting,
        }),
      },
      ...(notifier && { notifying: describeTargets(config).join(", ") }),
      firewall: blocks
        ? { firewall: "nftables", blockedNow: blocks.size, blocksQueued: blocks.queue }
        : null,
      privileges: heldPrivileges(),
    };
  }

  /** What `portsentry top` shows. */
  top(): Record<string, unknown> {
    const { pipeline, scans } = this.#run;
    const { resources: { blockade } } = this.#run.now();
    const { packets, services, events } = pipeline.counters;
    const { lately } = pipeline;
    const nowMs = Date.now();
    return {
      atMs: nowMs,
      startMs: this.#startMs,
      mode: this.#mode(),
      packets,
      packetsToServices: services,
      probes: events,
      lostBeforeReading: this.#kernelDrops(),
      rate: lately.rate(nowMs),
      blockedNow: blockade?.blocks.size ?? null,
      sources: lately.sources(nowMs).map(({ note, ...one }) => ({
        ...one,
        tool: note,
        blocked: scans.isBlocked(one.name),
      })),
      ports: lately.ports(nowMs),
      blocks: lately.blocks(),
    };
  }

  /** The state in a line, for the service manager. */
  statusLine(): string {
    const { tcpPorts, udpPorts } = this.#run.now().config;
    const { events } = this.#run.pipeline.counters;
    return `Watching ${tcpPorts.size} TCP and ${udpPorts.size} UDP ports, ${events} events so far`;
  }

  /** What METRICS tells. */
  measured(): Measured {
    const { version, pipeline, responder, scans } = this.#run;
    const { watched, resources } = this.#run.now();
    const { notifier, blockade: { blocks } = {} } = resources;
    return {
      ...pipeline.counters,
      version,
      mode: this.#mode(),
      startMs: this.#startMs,
      tally: pipeline.tally,
      scans: scans.endedByKind(),
      rejects: watched?.sentry.rejects ?? new Map(),
      kernelDrops: this.#kernelDrops(),
      blocks: blocks && { inForce: blocks.size, ...blocks.counters },
      responsesUnderWay: responder.underWay,
      responsesNotRun: responder.notRun,
      logLinesLost: this.#run.linesLost(),
      notifications: notifier && { ...notifier.counts, waiting: notifier.waiting },
    };
  }

  /** What was lost that is no line of a log. */
  *losses(): Iterable<LossCounter> {
    const { watched } = this.#run.now();
    yield* watched?.sentry.losses() ?? [];
    const { notRun } = this.#run.responder;
    yield { what: "events were not responded to, too many waited", count: notRun };
    yield {
      what: "scans that ended were not told, there were too many",
      count: this.#run.scans.untold,
    };
    yield { what: "scans were not written for reports", count: this.#run.stored.lost };
    yield { what: "notifications were lost", count: this.#run.notices.lost };
  }

  /** The sums that `-v` tells at the end. */
  summary(): string {
    const { packets, services, events } = this.#run.pipeline.counters;
    const rejects = [...this.#run.now().watched?.sentry.rejects ?? []]
      .map(([name, count]) => `, ${count} ${name}`).join("");
    return `${packets} packets, ${services} to services, ${events} events${rejects}`;
  }

  #mode(): string {
    const { mode, method } = this.#run.options;
    return mode === "stealth" ? `stealth (${method})` : mode;
  }

  #kernelDrops(): number {
    return [...this.#run.now().watched?.sentry.losses() ?? []]
      .reduce((sum, { count }) => sum + count, 0);
  }
}
