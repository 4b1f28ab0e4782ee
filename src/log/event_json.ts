/**
 * Events and messages as JSON, an object a line. docs/events.schema.json says what is in it.
 *
 * The names are those of the Elastic Common Schema where it has one; what is only ours stands under
 * `portsentry`. Objects are nested: `jq .source.ip`, SQL and every log shipper take that as it is,
 * while names with dots in them would have to be quoted or expanded first.
 *
 * @module
 */
import { OUTPUT_LINE_CHARACTERS } from "../limits.ts";
import type { EventFlags, Flag, ScanEvent } from "../event/scan_event.ts";
import { rateOf, type ScanSummary, UNKNOWN_TOOL } from "../event/scan_summary.ts";
import { jsonText } from "../text.ts";
import type { Level } from "./log_output.ts";

/** Raised when a field changes its meaning or goes; new fields may come without that. */
const SCHEMA_VERSION = 1;
/** The version of the Elastic Common Schema that the names are of. */
const ECS_VERSION = "8.17.0";

/** As many as fit into any line, when each is escaped. */
const CUT_MESSAGE_CHARACTERS = Math.floor((OUTPUT_LINE_CHARACTERS - 1024) / "\\u0000".length);

const FLAGS: Record<Flag, string> = { true: "true", false: "false", unset: "null" };
/** As syslog(3) has them. */
const LEVELS: Record<Level, string> = {
  error: "error",
  notice: "notice",
  verbose: "info",
  debug: "debug",
};

/** A line's end, which many lines have in common. */
interface Tail {
  text: string;
  bytes: Uint8Array;
}

const encoder = new TextEncoder();

/** Makes the lines. Only what differs from event to event is put together for each. */
export class JsonLines {
  readonly #observer: string;
  #lastTail: Tail = { text: "", bytes: new Uint8Array() };
  #lastEvent: ScanEvent | undefined;
  #lastFlags: EventFlags | undefined;

  /** @param version of this program */
  constructor(version: string) {
    this.#observer = `"observer":{"product":"portsentry","type":"ids","version":` +
      `${jsonText(version)}},"ecs":{"version":"${ECS_VERSION}"}`;
  }

  /**
   * An event, without an end of line.
   *
   * @param host the source's name, or its address
   * @param flags what came of the event
   */
  event(event: ScanEvent, host: string, flags: EventFlags): string {
    return this.#head(event, host) + this.#tailOf(event, flags).text;
  }

  /**
   * Writes the same as UTF-8; most of it is copied from the line before.
   *
   * @returns the number of bytes
   */
  writeEvent(event: ScanEvent, host: string, flags: EventFlags, into: Uint8Array): number {
    const { written } = encoder.encodeInto(this.#head(event, host), into);
    const { bytes } = this.#tailOf(event, flags);
    into.set(bytes, written);
    return written + bytes.length;
  }

  #head(event: ScanEvent, host: string): string {
    const { source, sourcePort, destination, port } = event;
    const domain = host === source ? "" : `,"domain":${jsonText(host)}`;
    return `{"@timestamp":"${formatUtcTime(event.timeMs)}",` +
      `"source":{"ip":"${source}","port":${sourcePort}${domain}},` +
      `"destination":{"ip":"${destination}","port":${port}},`;
  }

  /** A scan that has ended, without an end of line; its time is that of the last packet. */
  summary(summary: ScanSummary, level: Level): string {
    const { source, sources, kind, firstMs, lastMs, packets, ports, targets } = summary;
    const [start, end] = [firstMs, lastMs].map(formatUtcTime);
    // A number of sources is no address.
    const from = sources === undefined ? `"source":{"ip":"${source}"},` : "";
    const scan = {
      kind,
      sources: sources ?? 1,
      packets,
      ports,
      targets,
      rate: Number(rateOf(summary).toPrecision(4)),
      sample_ports: summary.samplePorts,
    };
    return `{"@timestamp":"${end}",${from}` +
      `"event":{"kind":"event","category":["intrusion_detection","network"],"type":["info"],` +
      `"action":"scan","module":"portsentry","dataset":"portsentry.scan",` +
      `"start":"${start}","end":"${end}","duration":${(lastMs - firstMs) * 1_000_000}},` +
      `"log":{"level":"${LEVELS[level]}"},${this.#observer},` +
      `"portsentry":{"schema":${SCHEMA_VERSION},"tool":${toolJson(summary.tool)},` +
      `"blocked":${summary.blocked},"scan":${JSON.stringify(scan)}}}`;
  }

  /** Something that the program says, without an end of line. One that is too long is cut. */
  message(text: string, level: Level, timeMs: number): string {
    const line = this.#message(text, level, timeMs);
    return line.length <= OUTPUT_LINE_CHARACTERS
      ? line
      : this.#message(text.slice(0, CUT_MESSAGE_CHARACTERS), level, timeMs);
  }

  #message(text: string, level: Level, timeMs: number): string {
    return `{"@timestamp":"${formatUtcTime(timeMs)}","log":{"level":"${LEVELS[level]}"},` +
      `"message":${jsonText(text)},` +
      `"event":{"kind":"event","module":"portsentry","dataset":"portsentry.log"},` +
      `${this.#observer},"portsentry":{"schema":${SCHEMA_VERSION}}}`;
  }

  /** The part behind the addresses and ports hardly ever differs from the last event's. */
  #tailOf(event: ScanEvent, flags: EventFlags): Tail {
    const last = this.#lastEvent;
    if (
      last === undefined || flags !== this.#lastFlags || event.type !== last.type ||
      event.ipOptions !== last.ipOptions || event.protocol !== last.protocol ||
      event.mode !== last.mode || event.tool !== last.tool || isIpv6(event) !== isIpv6(last)
    ) {
      const text = this.#makeTail(event, flags);
      this.#lastTail = { text, bytes: encoder.encode(text) };
      this.#lastEvent = event;
      this.#lastFlags = flags;
    }
    return this.#lastTail;
  }

  #makeTail(event: ScanEvent, flags: EventFlags): string {
    const { ignored, triggered, noblock, blocked } = flags;
    // Only what would be acted on, if the configuration says so, should wake anybody.
    const kind = triggered === "true" && ignored === "false" ? "alert" : "event";
    return `"network":{"transport":"${transportOf(event)}",` +
      `"type":"${isIpv6(event) ? "ipv6" : "ipv4"}"},` +
      `"event":{"kind":"${kind}","category":["intrusion_detection","network"],"type":["info"],` +
      `"action":"probe","module":"portsentry","dataset":"portsentry.event"},` +
      `"log":{"level":"notice"},${this.#observer},` +
      `"portsentry":{"schema":${SCHEMA_VERSION},"mode":"${event.mode}",` +
      `"type":${jsonText(event.type)},"ip_options":"${event.ipOptions}",` +
      `"ignored":${FLAGS[ignored]},"triggered":${FLAGS[triggered]},` +
      `"noblock":${FLAGS[noblock]},"blocked":${FLAGS[blocked]},"tool":${toolJson(event.tool)}}}`;
  }
}

/** Elasticsearch leaves null out; a text for what is not known would be counted as a tool. */
function toolJson(tool: string): string {
  return tool === UNKNOWN_TOOL ? "null" : jsonText(tool);
}

function isIpv6({ source }: ScanEvent): boolean {
  return source.includes(":");
}

/** By IANA's keyword, as the Elastic Common Schema has it. */
function transportOf(event: ScanEvent): string {
  if (event.protocol === "ICMP") return isIpv6(event) ? "ipv6-icmp" : "icmp";
  return event.protocol.toLowerCase();
}

let lastMs = -1;
let lastText = "";

/** Such as `2026-11-22T18:21:14.160Z`. Events of the same millisecond share one formatting. */
function formatUtcTime(timeMs: number): string {
  if (timeMs !== lastMs) {
    lastText = new Date(timeMs).toISOString();
    lastMs = timeMs;
  }
  return lastText;
}
