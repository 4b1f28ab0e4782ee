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

const encoder = new TextEncoder();
const BEFORE_SOURCE = encoder.encode("Scan from: [");
const BEFORE_HOST = encoder.encode("] (");
let lastProtocol = "";
let beforePort = new Uint8Array();
let lastTailText = "";
let lastTailBytes = new Uint8Array();

/**
 * Writes the same as bytes, for an event whose host is its address: in half the time that it takes to
 * make a text and encode that.
 *
 * @returns where the line ends
 */
export function writeEvent(
  event: ScanEvent,
  flags: EventFlags,
  into: Uint8Array,
  start: number,
): number {
  if (event.protocol !== lastProtocol) {
    lastProtocol = event.protocol;
    beforePort = encoder.encode(`) protocol: [${lastProtocol}] port: [`);
  }
  const tail = tailOf(event, flags);
  if (tail !== lastTailText) {
    lastTailText = tail;
    lastTailBytes = encoder.encode(tail);
  }
  let end = writeBytes(BEFORE_SOURCE, into, start);
  end = writeAscii(event.source, into, end);
  end = writeBytes(BEFORE_HOST, into, end);
  end = writeAscii(event.source, into, end);
  end = writeBytes(beforePort, into, end);
  end = writeAscii(String(event.port), into, end);
  into.set(lastTailBytes, end);
  return end + lastTailBytes.length;
}

/** A few bytes are sooner copied one by one. */
function writeBytes(bytes: Uint8Array, into: Uint8Array, start: number): number {
  for (let i = 0; i < bytes.length; i++) into[start + i] = bytes[i];
  return start + bytes.length;
}

function writeAscii(text: string, into: Uint8Array, start: number): number {
  for (let i = 0; i < text.length; i++) into[start + i] = text.charCodeAt(i);
  return start + text.length;
}
