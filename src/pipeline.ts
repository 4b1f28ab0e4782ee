/**
 * The way of a packet: Packet → Verdict → ScanEvent → responses and outputs.
 *
 * @module
 */
import type { Detector } from "./detector/detector.ts";
import { Verdict } from "./detector/verdict.ts";
import { type EventFlags, type Mode, type ScanEvent, scanEvent } from "./event/scan_event.ts";
import type { EventLog } from "./log/event_log.ts";
import type { Logger } from "./log/logger.ts";
import { EventTally, type Fate as ToldFate } from "./metrics/event_tally.ts";
import { Lately } from "./metrics/lately.ts";
import { formatAddress } from "./packet/address.ts";
import { type Packet, Protocol } from "./packet/packet.ts";
import type { Scans } from "./scans.ts";
import type { HostNames } from "./response/host_names.ts";
import type { Outcome, Responder } from "./response/responder.ts";
import type { Services } from "./sentry/services.ts";
import type { Unsolicited } from "./sentry/unsolicited.ts";
import type { ScanStore } from "./state/scan_store.ts";

/** What a pipeline is made of. */
export interface PipelineParts {
  detector: Detector;
  /** Undefined with `-S`, and in connect mode, which is the service itself. */
  services: Services | undefined;
  /** Undefined where only the classic probes are told, whatever DETECT says. */
  unsolicited: Unsolicited | undefined;
  /** Undefined without RESOLVE_HOST. */
  names: HostNames | undefined;
  responder: Responder;
  /** Why nothing may be done about a host; undefined when it may. */
  reasonToSpare: (host: string) => string | undefined;
  /** The ignore file's name, for what is said about it. */
  ignoreFile: string;
  eventLog: EventLog;
  /** What the events of a source are summed up in. */
  scans: Scans;
  /** What reports are made of; undefined without a state file. */
  store: ScanStore | undefined;
  mode: Mode;
  log: Logger;
}

/** Judges packets, responds to them, and tells those that are events. */
export class Pipeline {
  #parts: PipelineParts;
  #packets = 0;
  #events = 0;
  #services = 0;
  /** What events have been, and what has come of them. */
  readonly tally = new EventTally();
  /** Who comes lately, and where to. */
  readonly lately = new Lately();
  readonly #pending = new Set<Promise<void>>();

  constructor(parts: PipelineParts) {
    this.#parts = parts;
  }

  /** Packets judged, those to services among them, and events told, so far. */
  get counters(): { packets: number; services: number; events: number } {
    return { packets: this.#packets, services: this.#services, events: this.#events };
  }

  /** Goes on with other parts from the next packet on. */
  reconfigure(parts: Partial<PipelineParts>): void {
    this.#parts = { ...this.#parts, ...parts };
  }

  /**
   * Takes a packet; the record may be reused when this returns.
   *
   * @returns whether whoever sent it may be answered with a banner
   */
  take(packet: Packet): boolean {
    this.#packets++;
    const { detector, scans, store, mode, log } = this.#parts;
    if (detector.isProbe(packet)) {
      if (this.#toService(packet)) return false;
    } else if (!this.#isUnsolicited(packet)) {
      if (log.debugging) log.debug(`${describe(packet)} is no probe of a watched port`);
      return false;
    }
    const verdict = detector.judge(packet);
    if (log.debugging) log.debug(`${describe(packet)} is a probe`);
    this.#events++;
    const event = scanEvent(packet, verdict, mode);
    // First what keeps the packets behind this one out, then what counts it.
    const outcome = verdict === Verdict.Respond ? this.#respond(event) : undefined;
    event.tool = scans.take(packet, verdict);
    const nowMs = Date.now();
    this.tally.probe(event, nowMs);
    this.lately.probe(event, nowMs);
    store?.count(event);
    this.#handle(event, outcome);
    return verdict >= Verdict.LogOnly;
  }

  #toService(packet: Packet): boolean {
    const { services, log } = this.#parts;
    if (!services?.has(packet)) return false;
    this.#services++;
    if (log.detailed) log.verbose(serviceText(packet));
    return true;
  }

  #isUnsolicited(packet: Packet): boolean {
    const { detector, unsolicited } = this.#parts;
    return unsolicited !== undefined && detector.isProbeUnlessAsked(packet) &&
      unsolicited.isProbe(packet);
  }

  /** Waits for events whose name is still to come, and all responses, for `limitMs` at most. */
  async settle(limitMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, limitMs));
    await Promise.race([Promise.all([...this.#pending, this.#parts.responder.idle()]), late]);
    clearTimeout(timer);
  }

  /** Tells an event as soon as all of it is known: nearly always at once. */
  #handle(event: ScanEvent, outcome: Fate | Promise<Fate> | undefined): void {
    const { names } = this.#parts;
    const host = names?.nameOf(event.source) ?? event.source;
    if (typeof host === "string" && !(outcome instanceof Promise)) {
      return this.#tell(event, host, outcome);
    }
    const told = Promise.all([host, outcome]).then(([host, outcome]) => {
      this.#tell(event, host, outcome);
      this.#pending.delete(told);
    });
    this.#pending.add(told);
  }

  /** What is done about an event: nothing, when this host cannot do without whom it came from. */
  #respond(event: ScanEvent): Fate | Promise<Fate> {
    const { responder, reasonToSpare, log } = this.#parts;
    const reason = reasonToSpare(event.source);
    if (reason === undefined) return responder.respond(event);
    log.notice(`attackalert: Host: ${event.source} ${reason}, aborting actions (LOCKOUT_GUARD)`);
    return "spared";
  }

  #tell(event: ScanEvent, host: string, outcome: Fate | undefined): void {
    const { eventLog, log, ignoreFile } = this.#parts;
    const { source, destination, verdict } = event;
    if (verdict === Verdict.Ignored) {
      log.verbose(`Host: ${source} found in ignore file ${ignoreFile} aborting actions`);
    } else if (verdict === Verdict.SameHost) {
      log.debug(`Source address ${source} same as destination address ${destination}, skipping`);
    } else if (outcome === "already blocked") {
      log.notice(`attackalert: Host: ${host}/${source} is already blocked Ignoring`);
    }
    this.tally.told(outcome ?? VERDICT_FATES[verdict]);
    eventLog.tell(event, host, outcome === undefined ? event.flags : OUTCOME_FLAGS[outcome]);
  }
}

/** What came of an event that asked for a response. */
type Fate = Outcome | "spared";

/** What comes of an event that asks for no response. */
const VERDICT_FATES: Record<Verdict, ToldFate> = {
  [Verdict.Ignored]: "ignored",
  [Verdict.BelowTrigger]: "below trigger",
  [Verdict.SameHost]: "same host",
  [Verdict.LogOnly]: "logged",
  [Verdict.Respond]: "not blocked",
};

const BLOCKED: EventFlags = {
  ignored: "false",
  triggered: "true",
  noblock: "false",
  blocked: "true",
};
const OUTCOME_FLAGS: Record<Fate, EventFlags> = {
  "already blocked": BLOCKED,
  "blocked": BLOCKED,
  "not blocked": { ...BLOCKED, blocked: "false" },
  "spared": { ignored: "true", triggered: "unset", noblock: "unset", blocked: "unset" },
};

/** The contract's line for a packet to a port that has a service. */
function serviceText({ version, source, destinationPort }: Packet): string {
  return `Ignoring packet from ${formatAddress(version, source)} to destination port ` +
    `${destinationPort}, a service is running`;
}

/** A packet as `-d` shows it. */
function describe(packet: Packet): string {
  const { version, source, destination, sourcePort, destinationPort, tcpFlags } = packet;
  const protocol = packet.protocol === Protocol.Tcp
    ? `TCP flags 0x${tcpFlags.toString(16)}`
    : packet.protocol === Protocol.Udp
    ? "UDP"
    : `ICMP type ${packet.icmpType}`;
  return `${formatAddress(version, source)} port ${sourcePort} to ` +
    `${formatAddress(version, destination)} port ${destinationPort}, ${protocol},`;
}
