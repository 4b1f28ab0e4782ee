/**
 * What a pcapng file says of an interface: its link type, and what its packets' times count.
 *
 * @module
 */
import { MOST_TIME_MS } from "../limits.ts";

/** An interface of a section. */
export interface SavedInterface {
  readonly linkType: number;
  /** The most that was kept of a packet. */
  readonly snapshotBytes: number;
  /** Units of its packets' times in a millisecond. */
  ticksPerMs: number;
  /** What a 1 in the upper half of such a time is worth: whole milliseconds, and ticks beside. */
  upperMs: number;
  upperTicks: number;
  /** What is added to them. */
  offsetMs: number;
}

const TWO_TO_32 = 0x1_0000_0000;
const OPTION = { CODE: 0, LENGTH: 2, VALUE: 4 } as const;
const OptionCode = { End: 0, TimeResolution: 9, TimeOffset: 14 } as const;
const MICROSECONDS = 6; // if_tsresol, when it is not set
const POWER_OF_TWO = 0x80;

/** @param snapshotBytes as the file has it: 0 stands for no limit */
export function newInterface(linkType: number, snapshotBytes: number): SavedInterface {
  const added = {
    linkType,
    snapshotBytes: snapshotBytes || Infinity,
    ticksPerMs: 1,
    upperMs: 0,
    upperTicks: 0,
    offsetMs: 0,
  };
  setResolution(added, MICROSECONDS);
  return added;
}

/** The options of an interface, between `start` and `end`. @returns false when they are cut */
export function readOptions(
  view: DataView,
  start: number,
  end: number,
  little: boolean,
  into: SavedInterface,
): boolean {
  let offset = start;
  while (end - offset >= OPTION.VALUE) {
    const code = view.getUint16(offset + OPTION.CODE, little);
    const length = view.getUint16(offset + OPTION.LENGTH, little);
    const value = offset + OPTION.VALUE;
    if (code === OptionCode.End) return true;
    if (length > end - value) return false;
    if (code === OptionCode.TimeResolution && length === 1) {
      setResolution(into, view.getUint8(value));
    } else if (code === OptionCode.TimeOffset && length === 8) {
      const [upper, lower] = little ? [value + 4, value] : [value, value + 4];
      const seconds = view.getInt32(upper, little) * TWO_TO_32 + view.getUint32(lower, little);
      into.offsetMs = seconds * 1000;
    }
    offset = value + length + (-length & 3);
  }
  return true;
}

/** `if_tsresol`: the exponent of a second's part, of 10 or, with the first bit set, of 2. */
function setResolution(into: SavedInterface, value: number): void {
  const ticksPerMs = (value & POWER_OF_TWO) === 0
    ? 10 ** (value - 3)
    : 2 ** (value & ~POWER_OF_TWO) / 1000;
  // Ticks of nanoseconds have more digits than a number does: the upper half is divided beforehand.
  const exact = Number.isInteger(ticksPerMs) && ticksPerMs < TWO_TO_32;
  into.ticksPerMs = ticksPerMs;
  into.upperMs = exact ? Math.floor(TWO_TO_32 / ticksPerMs) : 0;
  into.upperTicks = exact ? TWO_TO_32 % ticksPerMs : TWO_TO_32;
}

/** A time in whole milliseconds since 1970, and in the years that can be written. */
export function timeOf(
  { ticksPerMs, upperMs, upperTicks, offsetMs }: SavedInterface,
  upper: number,
  lower: number,
): number {
  const ms = upper * upperMs + Math.floor((upper * upperTicks + lower) / ticksPerMs) + offsetMs;
  return Math.min(Math.max(ms, 0), MOST_TIME_MS);
}
