/**
 * Scan sessions: what each source does within SCAN_WINDOW, summed up to one scan.
 *
 * @module
 */
import type { ScanSummary } from "../event/scan_summary.ts";
import type { Packet } from "../packet/packet.ts";

/** Tells which tool makes the packets of a scan: `Fingerprints`, with as many entries. */
export interface ToolGuess {
  /** Forgets the packets of the entry: it belongs to another scan from now on. */
  reset(entry: number): void;
  /** Looks at one more packet of the entry's scan. Allocates nothing. */
  note(entry: number, packet: Packet): void;
  /** Such as `nmap SYN`, or `unknown`. */
  toolOf(entry: number): string;
}

/** What a tracker is made of. */
export interface ScanTrackerParts {
  /** Scans at once: a power of two, at least 8. */
  entries: number;
  /** SCAN_WINDOW: a scan has ended when its source has been quiet for longer. */
  windowMs: number;
  tools: ToolGuess;
  /** Whether a source, as text, is blocked now. */
  isBlocked: (source: string) => boolean;
  /** Takes scans that have ended. */
  onEnded: (summaries: ScanSummary[]) => void;
}

/** Time comes with the packets: `readMs` for what is quiet, `timeMs` for what is told. */
export declare class ScanTracker {
  constructor(parts: ScanTrackerParts);
  /** From the next packet on. */
  windowMs: number;
  /** Scans that have not ended. */
  readonly open: number;
  /** Takes a probe; allocates nothing, unless a scan ends. @returns the tool so far */
  take(packet: Packet): string;
  /** Ends what has been quiet for the window, on the clock of {@link Packet.readMs}. */
  expire(nowMs: number): void;
  /** Ends all scans. */
  end(): void;
}
