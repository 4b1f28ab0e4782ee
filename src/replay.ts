/**
 * A capture file in the place of the sentry: the same decoder and detector, and the packets' own times
 * in the place of every clock. Nothing is asked of this host and nothing is done.
 *
 * @module
 */
import type { Config } from "./config/config.ts";
import type { IgnoreList } from "./config/ignore_list.ts";
import { Detector } from "./detector/detector.ts";
import { SourceTable } from "./detector/source_table.ts";
import { Verdict } from "./detector/verdict.ts";
import { type EventFlags, type ScanEvent, scanEvent } from "./event/scan_event.ts";
import { type ScanSummary, UNKNOWN_TOOL } from "./event/scan_summary.ts";
import { MOST_SCAN_MS, PING_QUIET_S, SCAN_ENTRIES, SOURCE_TABLE_ENTRIES } from "./limits.ts";
import type { JsonLines } from "./log/event_json.ts";
import { writeEvent } from "./log/event_line.ts";
import type { LineBatch } from "./log/line_batch.ts";
import { formatLocalTime, writeLocalTime } from "./log/local_time.ts";
import type { Level } from "./log/log_output.ts";
import { formatSummary } from "./log/summary_line.ts";
import { decodeBetween } from "./packet/decode.ts";
import { Packet, Protocol, Reject, REJECT_NAMES } from "./packet/packet.ts";
import { ReplayClock } from "./replay_clock.ts";
import { Fingerprints } from "./scan/fingerprint.ts";
import { ScanTracker } from "./scan/scan_tracker.ts";
import { Pings } from "./sentry/pings.ts";
import type { Savefile } from "./sentry/savefile.ts";
import { escapeControls } from "./text.ts";

/** What a replay is made of. */
export interface ReplayParts {
  config: Config;
  ignore: IgnoreList;
  /** Destinations whose packets count; undefined for all. */
  to: IgnoreList | undefined;
  /** `-L` */
  disableLocalCheck: boolean;
  /** `-v` */
  verbose: boolean;
  /** Makes the lines; undefined for classic ones. */
  json: JsonLines | undefined;
  /** Takes the lines. */
  output: LineBatch;
}

const BLANK = 0x20;

/** What would be answered in a watch: here nobody is ever blocked. */
const NOT_BLOCKED: EventFlags = {
  ignored: "false",
  triggered: "true",
  noblock: "false",
  blocked: "false",
};

/** Judges the frames of a capture file, and tells those that are events. */
export class Replay {
  readonly #parts: ReplayParts;
  readonly #detector: Detector;
  readonly #scans: ScanTracker;
  readonly #pings = new Pings();
  readonly #clock: ReplayClock;
  readonly #packet = new Packet();
  readonly #rejects = new Float64Array(REJECT_NAMES.length);
  #frames = 0;
  #events = 0;
  /** The link type of the first frame whose link type is not known. */
  unknownLinkType: number | undefined;

  constructor(parts: ReplayParts) {
    this.#parts = parts;
    const { scanWindowS, scanTriggerWindowS = 0 } = parts.config;
    const mostS = Math.max(scanWindowS, scanTriggerWindowS, MOST_SCAN_MS / 1000, PING_QUIET_S);
    this.#clock = new ReplayClock(scanWindowS * 1000, (mostS + 1) * 1000);
    this.#detector = new Detector(
      parts.config,
      parts.ignore,
      new SourceTable(SOURCE_TABLE_ENTRIES),
      parts,
    );
    this.#scans = new ScanTracker({
      entries: SCAN_ENTRIES,
      windowMs: parts.config.scanWindowS * 1000,
      tools: new Fingerprints(SCAN_ENTRIES),
      isBlocked: () => false,
      onEnded: (summaries) => this.#tellScans(summaries),
    });
  }

  /** Scans that ended and were not told, as there were too many in a minute. */
  get untold(): number {
    return this.#scans.untold;
  }

  /** Frames whose link type is not known. */
  get unknownFrames(): number {
    return this.#rejects[Reject.UnknownLinkType];
  }

  /** Takes the frame that `file` has found. */
  take({ window, frame }: Savefile): void {
    this.#frames++;
    const packet = this.#packet;
    if (!decodeBetween(window.bytes, frame.start, frame.end, frame.linkType, packet)) {
      this.#rejects[packet.reject]++;
      if (packet.reject === Reject.UnknownLinkType) this.unknownLinkType ??= frame.linkType;
      return;
    }
    packet.timeMs = frame.timeMs;
    packet.readMs = this.#clock.take(frame.timeMs);
    this.#scans.expire(this.#clock.nowMs);
    if (!this.#detector.isProbe(packet) && !this.#isPing(packet)) return;
    const { to } = this.#parts;
    if (to && !to.hasHost(packet.version, packet.destination)) return;
    this.#events++;
    const verdict = this.#detector.judge(packet);
    // Who is never acted on does not scan either, as in a watch.
    const scans = verdict !== Verdict.Ignored && verdict !== Verdict.SameHost;
    const tool = scans ? this.#scans.take(packet) : UNKNOWN_TOOL;
    this.#tell(scanEvent(packet, verdict, "stealth", tool));
  }

  /** Segments with ACK are told by watches alone: a file may lack what they are answers to. */
  #isPing(packet: Packet): boolean {
    return packet.protocol === Protocol.Icmp && this.#detector.isProbeUnlessAsked(packet) &&
      this.#pings.isNews(packet);
  }

  /** Tells what can only be told at the end. */
  end(): void {
    this.#scans.end();
    if (!this.#parts.verbose) return;
    const rejects = REJECT_NAMES.map((name, i) => [name, this.#rejects[i]] as const)
      .filter(([, count]) => count > 0).map(([name, count]) => `, ${count} ${name}`).join("");
    this.#message(`${this.#frames} packets, ${this.#events} events${rejects}`);
  }

  #tell(event: ScanEvent): void {
    const { json, output, verbose, config } = this.#parts;
    const flags = event.verdict === Verdict.Respond ? NOT_BLOCKED : event.flags;
    if (verbose && event.verdict === Verdict.Ignored) {
      this.#message(
        `Host: ${event.source} found in ignore file ${config.ignoreFile} aborting actions`,
      );
    }
    output.add((into, start) => {
      if (json) return start + json.writeEvent(event, event.source, flags, into.subarray(start));
      const end = writeLocalTime(event.timeMs, into, start);
      into[end] = BLANK;
      return writeEvent(event, flags, into, end + 1);
    });
  }

  #tellScans(summaries: readonly ScanSummary[]): void {
    const { json, output, verbose } = this.#parts;
    for (const summary of summaries) {
      const level: Level = summary.kind === "probe" ? "verbose" : "notice";
      if (level === "verbose" && !verbose) continue;
      if (json) output.line(json.summary(summary, level));
      else this.#message(formatSummary(summary));
    }
  }

  /** What is said besides the events, at the time of the last packet. */
  #message(text: string): void {
    const { json, output } = this.#parts;
    const { timeMs } = this.#packet;
    output.line(
      json?.message(text, "verbose", timeMs) ??
        `${formatLocalTime(timeMs)} ${escapeControls(text)}`,
    );
  }
}
