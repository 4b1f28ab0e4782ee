/**
 * A capture file in the place of the sentry: the same decoder and detector, and each packet's own time
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
import { SOURCE_TABLE_ENTRIES } from "./limits.ts";
import type { JsonLines } from "./log/event_json.ts";
import { writeEvent } from "./log/event_line.ts";
import type { LineBatch } from "./log/line_batch.ts";
import { formatLocalTime, writeLocalTime } from "./log/local_time.ts";
import { decodeBetween } from "./packet/decode.ts";
import { Packet, Reject, REJECT_NAMES } from "./packet/packet.ts";
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
  readonly #packet = new Packet();
  readonly #rejects = new Float64Array(REJECT_NAMES.length);
  #frames = 0;
  #events = 0;
  /** The link type of the first frame whose link type is not known. */
  unknownLinkType: number | undefined;

  constructor(parts: ReplayParts) {
    this.#parts = parts;
    this.#detector = new Detector(
      parts.config,
      parts.ignore,
      new SourceTable(SOURCE_TABLE_ENTRIES),
      parts,
    );
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
    packet.readMs = frame.timeMs;
    if (!this.#detector.isProbe(packet)) return;
    const { to } = this.#parts;
    if (to && !to.hasHost(packet.version, packet.destination)) return;
    this.#events++;
    this.#tell(scanEvent(packet, this.#detector.judge(packet), "stealth"));
  }

  /** Tells what can only be told at the end. */
  end(): void {
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
