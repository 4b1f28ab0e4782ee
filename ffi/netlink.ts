/**
 * rtnetlink(7): the kernel's own list of interfaces and addresses, asked for over a socket.
 *
 * @module
 */
import { check, libc, SystemError } from "./libc.ts";
import {
  AF_NETLINK,
  attributes,
  errorOf,
  HEADER_BYTES,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  walkMessages,
} from "./netlink_message.ts";

const SOCK_RAW = 3; // <sys/socket.h>
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const NETLINK_ROUTE = 0; // <linux/netlink.h>
const MOST_TRIES = 5;

const RTM_NEWLINK = 16; // <linux/rtnetlink.h>
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const IFINFOMSG_BYTES = 16; // struct ifinfomsg
const IFLA_IFNAME = 3; // <linux/if_link.h>
const IFLA_MASTER = 10;
const IFADDRMSG_BYTES = 8; // struct ifaddrmsg
const IFA_ADDRESS = 1; // <linux/if_addr.h>
const IFA_LOCAL = 2;
const RTMGRP_LINK = 0x1; // <linux/rtnetlink.h>
const RTMGRP_IPV4_IFADDR = 0x10;
const RTMGRP_IPV6_IFADDR = 0x100;
const SOCKADDR_NL_BYTES = 12; // struct sockaddr_nl: u16 family, u16 pad, u32 port, u32 groups
const IFF_UP = 0x1; // <linux/if.h>
const IFF_LOOPBACK = 0x8;

/** A network interface. */
export interface Link {
  index: number;
  name: string;
  up: boolean;
  loopback: boolean;
  /** It is a port of a bridge, bond or VRF, which takes its packets. */
  enslaved: boolean;
}

/** An address of an interface. */
export interface LinkAddress {
  /** {@link Link.index} of the interface. */
  index: number;
  /** 4 or 16 bytes in network order. */
  address: Uint8Array;
  /** Length of the network's prefix, in bits. */
  prefix: number;
}

/** Every interface of this network namespace. */
export function listLinks(): Link[] {
  const links: Link[] = [];
  dump(RTM_GETLINK, IFINFOMSG_BYTES, (type, message) => {
    const link = type === RTM_NEWLINK ? linkOf(message) : undefined;
    if (link) links.push(link);
  });
  return links;
}

/** The interface of a message (struct ifinfomsg and its attributes); undefined when it is cut short. */
export function linkOf(message: DataView): Link | undefined {
  if (message.byteLength < IFINFOMSG_BYTES) return undefined;
  const flags = message.getUint32(8, true);
  const found = attributes(message, IFINFOMSG_BYTES);
  return {
    index: message.getInt32(4, true),
    name: new TextDecoder().decode(found.get(IFLA_IFNAME)?.subarray(0, -1)),
    up: (flags & IFF_UP) !== 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    enslaved: found.has(IFLA_MASTER),
  };
}

/** Every address of this network namespace. */
export function listAddresses(): LinkAddress[] {
  const addresses: LinkAddress[] = [];
  dump(RTM_GETADDR, IFADDRMSG_BYTES, (type, message) => {
    const address = type === RTM_NEWADDR ? linkAddressOf(message) : undefined;
    if (address) addresses.push(address);
  });
  return addresses;
}

/**
 * The address of a message (struct ifaddrmsg and its attributes); undefined when that is neither an
 * IPv4 nor an IPv6 one.
 */
export function linkAddressOf(message: DataView): LinkAddress | undefined {
  if (message.byteLength < IFADDRMSG_BYTES) return undefined;
  const found = attributes(message, IFADDRMSG_BYTES);
  // On a point-to-point link IFA_ADDRESS is the other end's; IFA_LOCAL is always ours.
  const address = found.get(IFA_LOCAL) ?? found.get(IFA_ADDRESS);
  const prefix = message.getUint8(1);
  if (address?.length !== 4 && address?.length !== 16) return undefined;
  if (prefix > address.length * 8) return undefined;
  return { index: message.getUint32(4, true), address: address.slice(), prefix };
}

/** Tells that interfaces or addresses have changed, not how: ask for the lists again. */
export class LinkChanges {
  /** Descriptor that can be read when something has changed. */
  readonly fd: number;
  readonly #buffer = new Uint8Array(65_536);

  /** @throws {SystemError} when the kernel gives no such socket */
  constructor() {
    this.fd = subscribe(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
  }

  /**
   * Takes all that waits. An overflow (ENOBUFS) reads as an error once, and is a change like any
   * other, because whoever is told lists everything anew.
   */
  drain(): void {
    while (libc().recv(this.fd, this.#buffer, BigInt(this.#buffer.length), 0) > 0);
  }

  close(): void {
    libc().close(this.fd);
  }
}

/**
 * A non-blocking socket that gets a message for each change.
 *
 * @param groups RTMGRP_ bits of what may change
 * @throws {SystemError} when the kernel gives no such socket
 */
export function subscribe(groups: number): number {
  const fd = check(
    libc().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE),
    "socket(AF_NETLINK)",
  );
  const address = new DataView(new ArrayBuffer(SOCKADDR_NL_BYTES));
  address.setUint16(0, AF_NETLINK, true);
  address.setUint32(8, groups, true);
  try {
    check(libc().bind(fd, address, SOCKADDR_NL_BYTES), "bind(rtnetlink)");
  } catch (error) {
    libc().close(fd);
    throw error;
  }
  return fd;
}

/** Asks for all objects of a kind; asks again when they changed while the kernel was answering. */
function dump(
  request: number,
  bodyBytes: number,
  take: (type: number, body: DataView<ArrayBuffer>) => void,
): void {
  for (let attempt = 1;; attempt++) {
    const messages: [number, DataView<ArrayBuffer>][] = [];
    const whole = dumpOnce(request, bodyBytes, (type, body) => messages.push([type, body]));
    if (!whole && attempt < MOST_TRIES) continue;
    for (const [type, body] of messages) take(type, body);
    return;
  }
}

/**
 * Asks for all objects of a kind, once.
 *
 * @param request its RTM_GET type
 * @param bodyBytes length of the request's fixed part, all zeros
 * @param take takes each message's type and what follows its header
 * @returns false when the answer is a mixture of before and after a change
 * @throws {SystemError} when the kernel does not answer
 */
export function dumpOnce(
  request: number,
  bodyBytes: number,
  take: (type: number, body: DataView<ArrayBuffer>) => void,
): boolean {
  const header = new DataView(new ArrayBuffer(HEADER_BYTES + bodyBytes));
  header.setUint32(0, header.byteLength, true);
  header.setUint16(4, request, true);
  header.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, true);
  const socket = check(
    libc().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE),
    "socket(AF_NETLINK)",
  );
  try {
    check(libc().send(socket, header, BigInt(header.byteLength), 0), "send(rtnetlink)");
    let whole = true;
    for (let done = false; !done;) {
      const buffer = new DataView(new ArrayBuffer(65_536));
      const received = check(libc().recv(socket, buffer, 65_536n, 0), "recv(rtnetlink)");
      const good = walkMessages(buffer, received, (start, end, type) => {
        if ((buffer.getUint16(start + 6, true) & NLM_F_DUMP_INTR) !== 0) whole = false;
        done = type === NLMSG_DONE || type === NLMSG_ERROR;
        if (!done) {
          const body = start + HEADER_BYTES;
          return take(type, new DataView(buffer.buffer, body, end - body));
        }
        const error = errorOf(buffer, start, end);
        if (error !== 0) throw new SystemError("rtnetlink", error);
        return false;
      });
      if (!good) return false;
    }
    return whole;
  } finally {
    libc().close(socket);
  }
}
