/**
 * The event's line, byte for byte what log parsers and fail2ban filters of portsentry read.
 *
 * @module
 */
import type { EventFlags, ScanEvent } from "../event/scan_event.ts";

/**
 * `Scan from: [IP] (HOST) …`, without an end of line.
 *
 * @param host the source's name, or its address
 * @param flags what came of the event
 */
export function formatEvent(event: ScanEvent, host: string, flags: EventFlags): string {
  return `Scan from: [${event.source}] (${host}) protocol: [${event.protocol}] ` +
    `port: [${event.port}${tailOf(event, flags)}`;
}

let lastTail = "";
let lastType = "";
let lastOptions = "";
let lastFlags: EventFlags | undefined;

/** The part behind the port hardly ever differs from the last event's. */
function tailOf({ type, ipOptions }: ScanEvent, flags: EventFlags): string {
  if (type !== lastType || ipOptions !== lastOptions || flags !== lastFlags) {
    lastType = type;
    lastOptions = ipOptions;
    lastFlags = flags;
    const { ignored, triggered, noblock, blocked } = flags;
    lastTail = `] type: [${type}] IP opts: [${ipOptions}] ` +
      `ignored: [${ignored}] triggered: [${triggered}] noblock: [${noblock}] blocked: [${blocked}]`;
  }
  return lastTail;
}
