/**
 * What people are notified of, and how it is said in a sentence.
 *
 * Only a name and the source's address come from outside: the one has been made harmless, the other
 * is an address. Both are cut and escaped here once more, as what is made of them leaves this host.
 *
 * @module
 */
import { formatDuration } from "../config/duration.ts";
import { type ScanSummary, UNKNOWN_TOOL } from "../event/scan_summary.ts";
import { NOTICE_SAMPLES } from "../limits.ts";
import { escapeControls } from "../text.ts";

/** The probe that a host was blocked for. */
export interface NoticeProbe {
  protocol: "tcp" | "udp";
  port: number;
  /** Such as `TCP SYN/Normal scan`. */
  type: string;
  /** The address that it went to. */
  destination: string;
}

/** A block, as far as it is known: a command tells nothing about its own. */
export interface NoticeBlock {
  /** What is blocked: the host, or its network. */
  host: string;
  /** When it began and ends, in milliseconds since 1970; without an end it lasts until it is lifted. */
  startMs: number;
  endMs?: number | undefined;
  /** Blocks of this host so far, this one included. */
  count: number;
}

/** One notification. Times are of the wall clock. */
export type Notice =
  | {
    kind: "block" | "dry-run";
    timeMs: number;
    source: string;
    /** The source's name; undefined when it has none, or none was asked for. */
    name: string | undefined;
    probe: NoticeProbe;
    block: NoticeBlock | undefined;
  }
  | { kind: "scan"; timeMs: number; scan: ScanSummary }
  | {
    kind: "more";
    timeMs: number;
    blocks: number;
    dryRuns: number;
    scans: number;
    /** Some of their sources. */
    sources: string[];
  };

/** Longest name of a host (RFC 1035, section 2.3.4) and longest of what else is only text. */
export const NAME_CHARACTERS = 255;
export const WORD_CHARACTERS = 80;

/** The notice in a few words, for a screen that has no more room. */
export function titleOf(notice: Notice): string {
  switch (notice.kind) {
    case "block":
      return `Blocked ${word(notice.source)}`;
    case "dry-run":
      return `Would block ${word(notice.source)}`;
    case "scan":
      return `Scan from ${word(notice.scan.source)}`;
    case "more":
      return `${countOf(notice)} more`;
  }
}

/** The notice in a sentence, without a full stop. */
export function sentenceOf(notice: Notice): string {
  switch (notice.kind) {
    case "block":
    case "dry-run": {
      const { source, name, probe, block, kind } = notice;
      const who = word(source) + (name === undefined ? "" : ` (${plain(name, NAME_CHARACTERS)})`);
      const done = kind === "block" ? `has been blocked${timeOf(block)}` : "would be blocked";
      const why = `after a probe of ${probe.protocol.toUpperCase()} port ${probe.port}`;
      return `${who} ${done} ${why}${kind === "block" ? "" : ": DRY_RUN is set"}`;
    }
    case "scan":
      return scanSentence(notice.scan);
    case "more": {
      const parts = [
        counted(notice.blocks, "host blocked", "hosts blocked"),
        counted(notice.dryRuns, "host that would be blocked", "hosts that would be blocked"),
        counted(notice.scans, "scan", "scans"),
      ].filter((part) => part !== "");
      return `and ${countOf(notice)} more: ${parts.join(", ")}; ` +
        `from ${samples(notice.sources, countOf(notice))}`;
    }
  }
}

/** Notices that a sum stands for. */
export function countOf(
  { blocks, dryRuns, scans }: { blocks: number; dryRuns: number; scans: number },
): number {
  return blocks + dryRuns + scans;
}

function scanSentence(scan: ScanSummary): string {
  const tool = scan.tool === UNKNOWN_TOOL ? "" : ` with ${word(scan.tool)}`;
  const seconds = Math.max(0, Math.round((scan.lastMs - scan.firstMs) / 1000));
  return `${word(scan.source)} scanned ${counted(scan.ports, "port", "ports")} of ` +
    `${counted(scan.targets, "address", "addresses")}${tool} in ${formatDuration(seconds)} ` +
    `(${word(scan.kind)}, ${counted(scan.packets, "packet", "packets")}): ` +
    `${samples(scan.samplePorts, scan.ports)}${scan.blocked ? "; it is blocked" : ""}`;
}

function timeOf(block: NoticeBlock | undefined): string {
  if (block?.endMs === undefined) return "";
  return ` for ${formatDuration(Math.max(0, Math.round((block.endMs - block.startMs) / 1000)))}`;
}

function samples(words: readonly string[], count: number): string {
  const some = words.slice(0, NOTICE_SAMPLES).map(word).join(", ");
  return count > Math.min(words.length, NOTICE_SAMPLES) ? `${some}, …` : some;
}

function counted(count: number, one: string, many: string): string {
  return count === 0 ? "" : `${count} ${count === 1 ? one : many}`;
}

function word(text: string): string {
  return plain(text, WORD_CHARACTERS);
}

/** `text` without anything that ends a line or moves a cursor, and not longer than it may be. */
export function plain(text: string, most: number): string {
  return escapeControls(text.length > most ? text.slice(0, most - 1) + "…" : text);
}
