/**
 * A notice as a server takes it: our JSON, plain text, Slack's JSON, or ntfy's text with headers.
 *
 * @module
 */
import type { NoticeFormat } from "../config/notify_url.ts";
import { NOTICE_SAMPLES } from "../limits.ts";
import { jsonText } from "../text.ts";
import {
  NAME_CHARACTERS,
  type Notice,
  plain,
  sentenceOf,
  titleOf,
  WORD_CHARACTERS,
} from "./notice.ts";

/** Who notifies. */
export interface Observer {
  /** The name of this host. */
  host: string;
  /** Of this program. */
  version: string;
}

/** What is posted. */
export interface NoticeRequest {
  headers: Record<string, string>;
  body: string;
}

/** Raised when a field changes its meaning or goes; new fields may come without that. */
const NOTIFICATION_VERSION = 1;

/** Writes a notice in one of the formats. */
export function requestFor(
  notice: Notice,
  format: NoticeFormat,
  observer: Observer,
): NoticeRequest {
  return { json, text, slack, ntfy }[format](notice, observer);
}

/** docs/notification.schema.json says what is in it. */
function json(notice: Notice, { host, version }: Observer): NoticeRequest {
  const body = {
    version: NOTIFICATION_VERSION,
    kind: notice.kind,
    time: isoTime(notice.timeMs),
    title: titleOf(notice),
    text: sentenceOf(notice),
    observer: { product: "portsentry", version, host },
    ...factsOf(notice),
  };
  return { headers: { "Content-Type": "application/json" }, body: jsonText(body) };
}

function factsOf(notice: Notice): Record<string, unknown> {
  switch (notice.kind) {
    case "block":
    case "dry-run": {
      const { source, name, probe, block } = notice;
      return {
        source: {
          ip: source,
          ...(name !== undefined && { name: plain(name, NAME_CHARACTERS) }),
        },
        probe,
        ...(block && {
          block: {
            host: block.host,
            since: isoTime(block.startMs),
            until: block.endMs === undefined ? null : isoTime(block.endMs),
            times: block.count,
          },
        }),
      };
    }
    case "scan": {
      const { source, sources, kind, tool, firstMs, lastMs, packets, ports, targets } = notice.scan;
      return {
        scan: {
          source: plain(source, WORD_CHARACTERS),
          ...(sources !== undefined && { sources }),
          kind: plain(kind, WORD_CHARACTERS),
          tool: plain(tool, WORD_CHARACTERS),
          first: isoTime(firstMs),
          last: isoTime(lastMs),
          packets,
          ports,
          targets,
          sample_ports: some(notice.scan.samplePorts),
          blocked: notice.scan.blocked,
        },
      };
    }
    case "more": {
      const { blocks, dryRuns, scans, sources } = notice;
      return {
        more: { blocks, dry_runs: dryRuns, scans, sources: some(sources) },
      };
    }
  }
}

function some(words: readonly string[]): string[] {
  return words.slice(0, NOTICE_SAMPLES).map((word) => plain(word, WORD_CHARACTERS));
}

function text(notice: Notice, { host }: Observer): NoticeRequest {
  return {
    headers: { "Content-Type": "text/plain; charset=utf-8" },
    body: `${host}: ${sentenceOf(notice)}\n`,
  };
}

/** Slack, Mattermost, Rocket.Chat, and Discord behind `/slack`: three characters are theirs. */
function slack(notice: Notice, { host }: Observer): NoticeRequest {
  const escaped = `${host}: ${sentenceOf(notice)}`.replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return {
    headers: { "Content-Type": "application/json" },
    // Nobody is called by a name that somebody has given to his own address.
    body: jsonText({ text: escaped.replaceAll("@", "@\u200b") }),
  };
}

/** ntfy's documentation, "Publishing": what an app shows of it is in the headers. */
function ntfy(notice: Notice, { host }: Observer): NoticeRequest {
  const scan = notice.kind === "scan";
  return {
    headers: {
      "Content-Type": "text/plain; charset=utf-8",
      "Title": headerText(`${host}: ${titleOf(notice)}`),
      "Priority": scan || notice.kind === "dry-run" ? "default" : "high",
      "Tags": scan ? "mag" : notice.kind === "dry-run" ? "test_tube" : "no_entry",
    },
    body: sentenceOf(notice),
  };
}

/** What a header may hold anywhere (RFC 9110, section 5.5). */
function headerText(value: string): string {
  return value.replaceAll(/[^\x20-\x7e]/g, "?");
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
