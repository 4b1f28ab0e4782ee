/**
 * The way of a packet: Packet → Verdict → ScanEvent → outputs.
 *
 * @module
 */
import type { Detector } from "./detector/detector.ts";
import { isEvent, Verdict } from "./detector/verdict.ts";
import { type ScanEvent, scanEvent } from "./event/scan_event.ts";
import { formatEvent } from "./log/event_line.ts";
import type { History } from "./log/history.ts";
import type { LineOutput } from "./log/line_output.ts";
import type { Logger } from "./log/logger.ts";
import { formatAddress } from "./packet/address.ts";
import { type Packet, Protocol } from "./packet/packet.ts";

/** What a pipeline is made of. */
export interface PipelineParts {
  detector: Detector;
  /** The ignore file's name, for what is said about it. */
  ignoreFile: string;
  output: LineOutput;
  /** Where events are kept; undefined without HISTORY_FILE. */
  history: History | undefined;
  log: Logger;
}

/** Judges packets, and tells those that are events. */
export class Pipeline {
  readonly #parts: PipelineParts;
  #packets = 0;
  #events = 0;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
  }

  /** Packets judged, and events told, so far. */
  get counters(): { packets: number; events: number } {
    return { packets: this.#packets, events: this.#events };
  }

  /** Takes a packet; the record may be reused when this returns. */
  take(packet: Packet): void {
    this.#packets++;
    const { detector, log } = this.#parts;
    const verdict = detector.judge(packet);
    if (log.debugging) log.debug(describe(packet, verdict));
    if (!isEvent(verdict)) return;
    this.#events++;
    this.#tell(scanEvent(packet, verdict));
  }

  #tell(event: ScanEvent): void {
    const { output, history, log, ignoreFile } = this.#parts;
    if (event.verdict === Verdict.Ignored) {
      log.verbose(`Host: ${event.source} found in ignore file ${ignoreFile} aborting actions`);
    } else if (event.verdict === Verdict.SameHost) {
      log.debug(
        `Source address ${event.source} same as destination address ${event.destination}, skipping`,
      );
    }
    const line = formatEvent(event);
    output.line(line);
    history?.append(event.timeMs, line);
  }
}

const VERDICT_NAMES = new Map(Object.entries(Verdict).map(([name, value]) => [value, name]));

/** A packet as `-d` shows it. */
function describe(packet: Packet, verdict: Verdict): string {
  const { version, source, destination, sourcePort, destinationPort, tcpFlags } = packet;
  const protocol = packet.protocol === Protocol.Tcp
    ? `TCP flags 0x${tcpFlags.toString(16)}`
    : "UDP";
  return `${formatAddress(version, source)} port ${sourcePort} to ` +
    `${formatAddress(version, destination)} port ${destinationPort}, ${protocol}: ` +
    `${VERDICT_NAMES.get(verdict)}`;
}
