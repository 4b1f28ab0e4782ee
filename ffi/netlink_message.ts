/**
 * netlink(7): how messages and their attributes lie in what is received. Nothing here reads beyond
 * what it is given, whatever the lengths inside say.
 *
 * @module
 */

/** `struct nlmsghdr`: u32 length, u16 type, u16 flags, u32 sequence, u32 port. */
export const HEADER_BYTES = 16;
/** `struct nlattr`: u16 length, u16 type. */
export const ATTRIBUTE_HEADER_BYTES = 4;
const NLA_TYPE_MASK = 0x3fff; // <linux/netlink.h>: the two bits above are flags

/** Flags and types of `<linux/netlink.h>`. */
export const AF_NETLINK = 16;
export const NLM_F_REQUEST = 0x01;
export const NLM_F_DUMP = 0x300;
export const NLM_F_DUMP_INTR = 0x10;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

/**
 * Walks through messages.
 *
 * @param received how many bytes of `buffer` count
 * @param take takes where each message starts and ends, its header included, and its type; returns
 * false to end the walk
 * @returns whether all of them were whole, or the walk was ended
 */
export function walkMessages(
  buffer: DataView,
  received: number,
  take: (start: number, end: number, type: number) => boolean | void,
): boolean {
  let offset = 0;
  while (offset + HEADER_BYTES <= received) {
    const end = offset + buffer.getUint32(offset, true);
    if (end < offset + HEADER_BYTES || end > received) return false;
    if (take(offset, end, buffer.getUint16(offset + 4, true)) === false) return true;
    offset = align(end);
  }
  return offset >= received;
}

/**
 * The error a message of the type NLMSG_ERROR or NLMSG_DONE carries: 0 for none. The kernel ends a
 * dump that it cannot make (a missing module) by a NLMSG_DONE with one.
 */
export function errorOf(buffer: DataView, start: number, end: number): number {
  return end >= start + HEADER_BYTES + 4 ? -buffer.getInt32(start + HEADER_BYTES, true) : 0;
}

/** The attributes from `start` on, by type; a later one of the same type replaces the first. */
export function attributes(message: DataView, start: number): Map<number, Uint8Array<ArrayBuffer>> {
  return new Map(attributesIn(message, start, message.byteLength));
}

/** The attributes between two places, one after the other: in a list all are of one type. */
export function* attributesIn(
  message: DataView,
  start: number,
  end: number,
): Generator<[type: number, value: Uint8Array<ArrayBuffer>]> {
  for (let offset = start; offset + ATTRIBUTE_HEADER_BYTES <= end;) {
    const length = message.getUint16(offset, true);
    if (length < ATTRIBUTE_HEADER_BYTES || offset + length > end) break;
    const type = message.getUint16(offset + 2, true) & NLA_TYPE_MASK;
    const from = message.byteOffset + offset + ATTRIBUTE_HEADER_BYTES;
    const valueBytes = length - ATTRIBUTE_HEADER_BYTES;
    yield [type, new Uint8Array(message.buffer as ArrayBuffer, from, valueBytes)];
    offset += align(length);
  }
}

/** Messages and attributes start at multiples of four bytes (NLMSG_ALIGNTO, NLA_ALIGNTO). */
export function align(length: number): number {
  return (length + 3) & ~3;
}
