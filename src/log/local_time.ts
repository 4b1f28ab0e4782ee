/**
 * The history file's time stamps.
 *
 * @module
 */

let lastMs = -1;
let lastText = "";

/**
 * A local time such as `2026-11-22T18:21:14.160+0000`. Events of the same millisecond share one
 * formatting.
 *
 * @param timeMs milliseconds since 1970
 */
export function formatLocalTime(timeMs: number): string {
  if (timeMs !== lastMs) {
    const date = new Date(timeMs);
    const eastMinutes = -date.getTimezoneOffset();
    const local = new Date(timeMs + eastMinutes * 60_000).toISOString().slice(0, -1);
    const sign = eastMinutes < 0 ? "-" : "+";
    const offset = Math.abs(eastMinutes);
    lastText = `${local}${sign}${twoDigits(Math.floor(offset / 60))}${twoDigits(offset % 60)}`;
    lastMs = timeMs;
  }
  return lastText;
}

const encoder = new TextEncoder();
let writtenText = "";
let writtenBytes = new Uint8Array();

/** Writes the same as bytes. @returns where they end */
export function writeLocalTime(timeMs: number, into: Uint8Array, start: number): number {
  const text = formatLocalTime(timeMs);
  if (text !== writtenText) {
    writtenText = text;
    writtenBytes = encoder.encode(text);
  }
  into.set(writtenBytes, start);
  return start + writtenBytes.length;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
