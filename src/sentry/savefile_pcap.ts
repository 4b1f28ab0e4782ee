/**
 * The classic capture file, pcap-savefile(5): a header, and then records.
 *
 * @module
 */
import { MOST_FRAME_BYTES } from "../limits.ts";
import { type SavedFrame, SavefileError, type SavefileWindow } from "./savefile_window.ts";

const HEADER = { MAGIC: 0, MAJOR: 4, MINOR: 6, LINK_TYPE: 20, LENGTH: 24 } as const;
const RECORD = { SECONDS: 0, FRACTION: 4, CAPTURED: 8, LENGTH: 16 } as const;
const MAGIC_MICROSECONDS = 0xa1b2_c3d4;
const MAGIC_NANOSECONDS = 0xa1b2_3c4d;
const MAJOR = 2;
const LEAST_MINOR = 3; // before that a record's two lengths changed places
/** The bits above tell of the check sequence at the end of each frame. */
const LINK_TYPE_MASK = 0x03ff_ffff;

/** Whether a file that begins so is one, whatever its byte order. */
export function isPcap(view: DataView, offset: number): boolean {
  return orderOf(view, offset) !== undefined;
}

/** The byte order, and how many units of a record's fraction of a second a millisecond has. */
function orderOf(
  view: DataView,
  offset: number,
): { little: boolean; perMs: number } | undefined {
  for (const little of [true, false]) {
    const magic = view.getUint32(offset + HEADER.MAGIC, little);
    if (magic === MAGIC_MICROSECONDS) return { little, perMs: 1000 };
    if (magic === MAGIC_NANOSECONDS) return { little, perMs: 1_000_000 };
  }
  return undefined;
}

/** Reads the records of a window that begins with such a file. */
export class PcapFormat {
  readonly #window: SavefileWindow;
  readonly #frame: SavedFrame;
  #little = false;
  #perMs = 0; // 0: the header is still to come

  constructor(window: SavefileWindow, frame: SavedFrame) {
    this.#window = window;
    this.#frame = frame;
  }

  /**
   * Reads the next frame.
   *
   * @returns false when more of the file is needed
   * @throws {SavefileError} when this cannot be a record
   */
  next(): boolean {
    const window = this.#window;
    if (this.#perMs === 0 && !this.#readHeader()) return false;
    if (!window.has(RECORD.LENGTH)) return false;
    const { view, start } = window;
    const little = this.#little;
    const captured = view.getUint32(start + RECORD.CAPTURED, little);
    if (captured > MOST_FRAME_BYTES) {
      throw new SavefileError(
        `The record at byte ${window.offset} says that it has ${captured} bytes of a packet: ` +
          `no more than ${MOST_FRAME_BYTES} are possible`,
      );
    }
    if (!window.has(RECORD.LENGTH + captured)) return false;
    const frame = this.#frame;
    frame.timeMs = view.getUint32(start + RECORD.SECONDS, little) * 1000 +
      Math.floor(view.getUint32(start + RECORD.FRACTION, little) / this.#perMs);
    frame.start = start + RECORD.LENGTH;
    frame.end = frame.start + captured;
    window.start = frame.end;
    return true;
  }

  #readHeader(): boolean {
    const window = this.#window;
    if (!window.has(HEADER.LENGTH)) return false;
    const { view, start } = window;
    const { little, perMs } = orderOf(view, start)!;
    const major = view.getUint16(start + HEADER.MAJOR, little);
    const minor = view.getUint16(start + HEADER.MINOR, little);
    if (major !== MAJOR || minor < LEAST_MINOR) {
      throw new SavefileError(`It is a capture file of version ${major}.${minor}, not 2.3 or 2.4`);
    }
    this.#frame.linkType = view.getUint32(start + HEADER.LINK_TYPE, little) & LINK_TYPE_MASK;
    this.#little = little;
    this.#perMs = perMs;
    window.start += HEADER.LENGTH;
    return true;
  }
}
