/**
 * Messages to the kernel's firewall (nf_tables): headers and attributes, as netlink(7) and
 * <linux/netfilter/nfnetlink.h> have them.
 *
 * @module
 */
import { check, libc } from "./libc.ts";
import { AF_NETLINK, align, ATTRIBUTE_HEADER_BYTES, NLM_F_REQUEST } from "./netlink_message.ts";

const SOCK_RAW = 3; // <sys/socket.h>
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_NETFILTER = 12; // <linux/netlink.h>
export const NLA_F_NESTED = 0x8000;

/** struct nlmsghdr, then struct nfgenmsg: u8 family, u8 version, u16 resource. */
export const HEADER_BYTES = 20;
export const NFNL_SUBSYS_NFTABLES = 10; // <linux/netfilter/nfnetlink.h>
export const NFPROTO_UNSPEC = 0; // <linux/netfilter.h>
export const NFPROTO_INET = 1;

/** @throws {SystemError} when the kernel has no netfilter */
export function netfilterSocket(): number {
  return check(
    libc().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER),
    "socket(NETLINK_NETFILTER)",
  );
}

/**
 * A request.
 *
 * @param type the subsystem in the upper byte
 * @param resource in network order
 */
export function message(
  type: number,
  flags: number,
  family: number,
  resource: number,
  attributes: Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const body = joined(attributes);
  const bytes = new Uint8Array(HEADER_BYTES + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, NLM_F_REQUEST | flags, true);
  view.setUint8(16, family);
  view.setUint16(18, resource);
  bytes.set(body, HEADER_BYTES);
  return bytes;
}

/** A struct nlattr and its value, filled up to four bytes. */
export function attribute(type: number, value: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(align(ATTRIBUTE_HEADER_BYTES + value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, ATTRIBUTE_HEADER_BYTES + value.length, true);
  view.setUint16(2, type, true);
  bytes.set(value, ATTRIBUTE_HEADER_BYTES);
  return bytes;
}

/** An attribute that holds attributes. */
export function nested(type: number, value: Uint8Array): Uint8Array<ArrayBuffer> {
  return attribute(type | NLA_F_NESTED, value);
}

/** An attribute that is a name. */
export function text(type: number, value: string): Uint8Array<ArrayBuffer> {
  return attribute(type, new TextEncoder().encode(value + "\0"));
}

/** One after the other. */
export function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}
