/**
 * Capture files for the tests, built piece by piece.
 *
 * @module
 */
import { LinkType } from "../src/packet/decode.ts";
import { bytes } from "./frames.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** How numbers are written, and what the fractions of a second count. */
export interface PcapForm {
  little?: boolean;
  nano?: boolean;
  linkType?: number;
}

/** A frame, and when it came. */
export interface Timed {
  bytes: Uint8Array;
  seconds?: number;
  /** Of a second: microseconds or nanoseconds. */
  fraction?: number;
  /** What the record says of its length. */
  captured?: number;
}

/** Numbers of 32 bits in either byte order. */
export function words32(little: boolean, ...values: number[]): Bytes {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, i) => view.setUint32(i * 4, value, little));
  return new Uint8Array(view.buffer);
}

function words16(little: boolean, ...values: number[]): Bytes {
  const view = new DataView(new ArrayBuffer(values.length * 2));
  values.forEach((value, i) => view.setUint16(i * 2, value, little));
  return new Uint8Array(view.buffer);
}

/** A file of pcap-savefile(5). */
export function pcap(
  frames: readonly Timed[],
  { little = true, nano = false, linkType = LinkType.Ethernet }: PcapForm = {},
): Bytes {
  return bytes(
    words32(little, nano ? 0xa1b23c4d : 0xa1b2c3d4),
    words16(little, 2, 4),
    words32(little, 0, 0, 262_144, linkType),
    ...frames.flatMap(({ bytes, seconds = 0, fraction = 0, captured = bytes.length }) => [
      words32(little, seconds, fraction, captured, bytes.length),
      bytes,
    ]),
  );
}

/** Builders of pcapng's blocks in one byte order. */
export class Blocks {
  constructor(readonly little = true) {}

  /** Any block. */
  block(type: number, ...body: (Uint8Array | number[])[]): Bytes {
    const content = padded(bytes(...body));
    const length = content.length + 12;
    return bytes(words32(this.little, type, length), content, words32(this.little, length));
  }

  section({ major = 1, minor = 0 } = {}): Bytes {
    return this.block(
      0x0a0d0d0a,
      words32(this.little, 0x1a2b3c4d),
      words16(this.little, major, minor),
      words32(this.little, 0xffff_ffff, 0xffff_ffff),
    );
  }

  interface(
    linkType: number,
    { snapshot = 0, resolution, offset }: {
      snapshot?: number;
      /** if_tsresol */
      resolution?: number;
      /** if_tsoffset, in seconds */
      offset?: bigint;
    } = {},
  ): Bytes {
    const options: Bytes[] = [this.option(2, new TextEncoder().encode("eth0"))];
    if (resolution !== undefined) options.push(this.option(9, [resolution]));
    if (offset !== undefined) {
      const value = new DataView(new ArrayBuffer(8));
      value.setBigInt64(0, offset, this.little);
      options.push(this.option(14, new Uint8Array(value.buffer)));
    }
    return this.block(
      1,
      words16(this.little, linkType, 0),
      words32(this.little, snapshot),
      ...options,
      words32(this.little, 0),
    );
  }

  option(code: number, value: Uint8Array | number[]): Bytes {
    return bytes(words16(this.little, code, value.length), padded(bytes(value)));
  }

  enhanced(frame: Uint8Array, { origin = 0, ticks = 0n, comment = "" } = {}): Bytes {
    return this.block(
      6,
      words32(this.little, origin, ...halves(ticks), frame.length, frame.length),
      padded(frame),
      comment === "" ? [] : this.option(1, new TextEncoder().encode(comment)),
    );
  }

  simple(frame: Uint8Array, original = frame.length): Bytes {
    return this.block(3, words32(this.little, original), frame);
  }

  /** The forerunner of {@link enhanced}. */
  obsolete(frame: Uint8Array, { origin = 0, ticks = 0n } = {}): Bytes {
    return this.block(
      2,
      words16(this.little, origin, 7),
      words32(this.little, ...halves(ticks), frame.length, frame.length),
      frame,
    );
  }
}

function halves(ticks: bigint): [number, number] {
  return [Number(ticks >> 32n), Number(ticks & 0xffff_ffffn)];
}

function padded(content: Uint8Array): Bytes {
  return bytes(content, Array(-content.length & 3).fill(0));
}
