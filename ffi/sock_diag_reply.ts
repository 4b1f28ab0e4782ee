/**
 * What sock_diag(7) answers about sockets. Nothing here reads beyond what it is given, whatever the
 * lengths inside say.
 *
 * @module
 */
import { SystemError } from "./libc.ts";
import { errorOf, HEADER_BYTES, NLMSG_DONE, NLMSG_ERROR, walkMessages } from "./netlink_message.ts";

const AF_INET = 2; // <sys/socket.h>
const ENOENT = 2; // <asm-generic/errno-base.h>
const EIO = 5;

/** struct inet_diag_msg (`<linux/inet_diag.h>`) up to the end of the addresses of its sockid. */
export const MESSAGE = {
  FAMILY: 0,
  STATE: 1,
  SOURCE_PORT: 4,
  SOURCE: 8,
  DESTINATION: 24,
  ADDRESSES_END: 40,
} as const;

/**
 * The state in the answer about one socket; 0 when there is none.
 *
 * @throws {SystemError} with the kernel's own error
 */
export function stateIn(reply: DataView, received: number): number {
  if (received < HEADER_BYTES + 4) throw new SystemError("sock_diag", EIO);
  if (reply.getUint16(4, true) !== NLMSG_ERROR) return reply.getUint8(HEADER_BYTES + MESSAGE.STATE);
  const code = -reply.getInt32(HEADER_BYTES, true);
  if (code !== ENOENT) throw new SystemError("sock_diag", code);
  return 0;
}

/**
 * Goes through a part of the answer about many sockets.
 *
 * @param take takes where each one's inet_diag_msg starts, which is whole up to its addresses
 * @returns an errno, 0 at the good end, undefined when more is to come
 */
export function walkSockets(
  reply: DataView,
  received: number,
  take: (offset: number) => void,
): number | undefined {
  let error: number | undefined;
  const good = walkMessages(reply, received, (start, end, type) => {
    if (type === NLMSG_DONE || type === NLMSG_ERROR) {
      error = errorOf(reply, start, end);
      return false;
    }
    if (end >= start + HEADER_BYTES + MESSAGE.ADDRESSES_END) take(start + HEADER_BYTES);
    return true;
  });
  return good ? error : EIO;
}

/** Puts both addresses of a socket, in 16 bytes each, and both ports into 36 bytes. */
export function copyEnds(reply: Uint8Array, message: number, ends: Uint8Array): void {
  copyAddress(reply, message, MESSAGE.SOURCE, ends, 0);
  copyAddress(reply, message, MESSAGE.DESTINATION, ends, 16);
  for (let i = 0; i < 4; i++) ends[32 + i] = reply[message + MESSAGE.SOURCE_PORT + i];
}

/** Puts an address of a socket into 16 bytes, whatever the family of the socket. */
export function copyAddress(
  reply: Uint8Array,
  message: number,
  field: number,
  into: Uint8Array,
  at: number,
): void {
  const address = message + field;
  const ipv4 = reply[message + MESSAGE.FAMILY] === AF_INET;
  for (let i = 0; i < 12 && ipv4; i++) into[at + i] = i < 10 ? 0 : 0xff;
  if (ipv4) { for (let i = 0; i < 4; i++) into[at + 12 + i] = reply[address + i]; }
  else for (let i = 0; i < 16; i++) into[at + i] = reply[address + i];
}
