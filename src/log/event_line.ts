/**
 * The event's line, byte for byte what log parsers and fail2ban filters of portsentry read.
 *
 * @module
 */
import type { ScanEvent } from "../event/scan_event.ts";

/** `Scan from: [IP] (HOST) …`, without an end of line. */
export function formatEvent(event: ScanEvent): string {
  const { ignored, triggered, noblock, blocked } = event.flags;
  return `Scan from: [${event.source}] (${event.host}) protocol: [${event.protocol}] ` +
    `port: [${event.port}] type: [${event.type}] IP opts: [${event.ipOptions}] ` +
    `ignored: [${ignored}] triggered: [${triggered}] noblock: [${noblock}] blocked: [${blocked}]`;
}
