/**
 * The capture file made of blocks: pcapng (draft-ietf-opsawg-pcapng).
 *
 * A section begins with its header, which tells the byte order of all that follows up to the next.
 * Blocks of kinds that are not needed are passed over, however long they are.
 *
 * @module
 */
import { MOST_BLOCK_BYTES, MOST_SAVEFILE_INTERFACES } from "../limits.ts";
import { newInterface, readOptions, type SavedInterface, timeOf } from "./savefile_interface.ts";
import { type SavedFrame, SavefileError, type SavefileWindow } from "./savefile_window.ts";

const SECTION_HEADER = 0x0a0d_0d0a; // the same in both byte orders
const BYTE_ORDER_MAGIC = 0x1a2b_3c4d;
const MAJOR = 1;

const BlockType = { Interface: 1, Packet: 2, SimplePacket: 3, EnhancedPacket: 6 } as const;

const BLOCK = { TYPE: 0, LENGTH: 4, BODY: 8 } as const;
const LENGTH_BYTES = 4; // a block's length stands at its end once more
const LEAST_BLOCK_BYTES = 12;
const SECTION = { MAGIC: 8, MAJOR: 12, OPTIONS: 24 } as const;
const INTERFACE = { LINK_TYPE: 8, SNAPSHOT: 12, OPTIONS: 16 } as const;
/** The enhanced block, and its forerunner with two bytes of the interface's number. */
const PACKET = { INTERFACE: 8, TIME_HIGH: 12, TIME_LOW: 16, CAPTURED: 20, DATA: 28 } as const;
const SIMPLE_PACKET = { ORIGINAL: 8, DATA: 12 } as const;

/** Whether a file that begins so is one. */
export function isPcapng(view: DataView, offset: number): boolean {
  return view.getUint32(offset) === SECTION_HEADER;
}

/** Reads the packets of a window that begins with such a file. */
export class PcapngFormat {
  readonly #window: SavefileWindow;
  readonly #frame: SavedFrame;
  /** Those of the section, by their numbers. */
  readonly #interfaces: SavedInterface[] = [];
  #little = false;

  constructor(window: SavefileWindow, frame: SavedFrame) {
    this.#window = window;
    this.#frame = frame;
  }

  /**
   * Reads blocks up to the next that holds a frame. Each block is 12 bytes at least.
   *
   * @returns false when more of the file is needed
   * @throws {SavefileError} when this cannot be a block
   */
  next(): boolean {
    const window = this.#window;
    for (;;) {
      if (!window.has(LEAST_BLOCK_BYTES)) return false;
      const { view, start } = window;
      const type = view.getUint32(start + BLOCK.TYPE, this.#little);
      if (type === SECTION_HEADER) this.#little = this.#byteOrder();
      const length = view.getUint32(start + BLOCK.LENGTH, this.#little);
      if (length < LEAST_BLOCK_BYTES || length % 4 !== 0) {
        this.#refuse(`says that it is ${length} bytes long`);
      }
      if (!isNeeded(type)) {
        window.skip(length);
        continue;
      }
      if (length > MOST_BLOCK_BYTES) {
        this.#refuse(`is ${length} bytes long: no more than ${MOST_BLOCK_BYTES} are read`);
      }
      if (!window.has(length)) return false;
      if (view.getUint32(start + length - LENGTH_BYTES, this.#little) !== length) {
        this.#refuse("has another length at its end than at its start");
      }
      const holdsFrame = this.#read(type, start, start + length - LENGTH_BYTES);
      window.start += length;
      if (holdsFrame) return true;
    }
  }

  /** @returns whether the block holds a frame */
  #read(type: number, start: number, end: number): boolean {
    switch (type) {
      case SECTION_HEADER:
        return this.#beginSection(start, end);
      case BlockType.Interface:
        return this.#addInterface(start, end);
      case BlockType.SimplePacket:
        return this.#readSimplePacket(start, end);
      default:
        return this.#readPacket(type, start, end);
    }
  }

  #byteOrder(): boolean {
    const { view, start } = this.#window;
    for (const little of [true, false]) {
      if (view.getUint32(start + SECTION.MAGIC, little) === BYTE_ORDER_MAGIC) return little;
    }
    this.#refuse("begins a section, and does not tell its byte order");
  }

  #beginSection(start: number, end: number): false {
    if (end - start < SECTION.OPTIONS) this.#refuse("begins a section, and is too short for that");
    const major = this.#window.view.getUint16(start + SECTION.MAJOR, this.#little);
    if (major !== MAJOR) this.#refuse(`begins a section of version ${major}: only 1 is known`);
    this.#interfaces.length = 0;
    return false;
  }

  #addInterface(start: number, end: number): false {
    const { view } = this.#window;
    const little = this.#little;
    if (end - start < INTERFACE.OPTIONS) this.#refuse("is too short to describe an interface");
    if (this.#interfaces.length >= MOST_SAVEFILE_INTERFACES) {
      this.#refuse(
        `describes an interface more than the ${MOST_SAVEFILE_INTERFACES} that are read`,
      );
    }
    const added = newInterface(
      view.getUint16(start + INTERFACE.LINK_TYPE, little),
      view.getUint32(start + INTERFACE.SNAPSHOT, little),
    );
    if (!readOptions(view, start + INTERFACE.OPTIONS, end, little, added)) {
      this.#refuse("has an option that is longer than what is left of it");
    }
    this.#interfaces.push(added);
    return false;
  }

  #readPacket(type: number, start: number, end: number): true {
    const { view } = this.#window;
    const little = this.#little;
    if (end - start < PACKET.DATA) this.#refuse("is too short to hold a packet");
    const captured = view.getUint32(start + PACKET.CAPTURED, little);
    if (captured > end - start - PACKET.DATA) {
      this.#refuse(`says that it has ${captured} bytes of a packet, more than its own`);
    }
    const number = type === BlockType.Packet
      ? view.getUint16(start + PACKET.INTERFACE, little)
      : view.getUint32(start + PACKET.INTERFACE, little);
    const origin = this.#interfaceOf(number);
    const frame = this.#frame;
    frame.timeMs = timeOf(
      origin,
      view.getUint32(start + PACKET.TIME_HIGH, little),
      view.getUint32(start + PACKET.TIME_LOW, little),
    );
    frame.linkType = origin.linkType;
    frame.start = start + PACKET.DATA;
    frame.end = frame.start + captured;
    return true;
  }

  /** Such a packet has no time of its own: the one before it has the nearest. */
  #readSimplePacket(start: number, end: number): true {
    if (end - start < SIMPLE_PACKET.DATA) this.#refuse("is too short to hold a packet");
    const original = this.#window.view.getUint32(start + SIMPLE_PACKET.ORIGINAL, this.#little);
    const origin = this.#interfaceOf(0);
    const frame = this.#frame;
    frame.linkType = origin.linkType;
    frame.start = start + SIMPLE_PACKET.DATA;
    // What is missing to a multiple of four is padding.
    frame.end = Math.min(end, frame.start + Math.min(original, origin.snapshotBytes));
    return true;
  }

  #interfaceOf(number: number): SavedInterface {
    const origin = this.#interfaces[number];
    if (origin === undefined) {
      this.#refuse(`has a packet of interface ${number}, which is not described before that`);
    }
    return origin;
  }

  #refuse(what: string): never {
    throw new SavefileError(`The block at byte ${this.#window.offset} ${what}`);
  }
}

function isNeeded(type: number): boolean {
  return type === BlockType.EnhancedPacket || type === BlockType.Interface ||
    type === BlockType.SimplePacket || type === BlockType.Packet || type === SECTION_HEADER;
}
