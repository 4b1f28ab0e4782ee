/**
 * rtnetlink(7): the gateways of the default routes, and whether addresses or those routes have
 * changed.
 *
 * @module
 */
import { libc } from "./libc.ts";
import { dumpOnce, subscribe } from "./netlink.ts";
import { align, attributes, HEADER_BYTES, walkMessages } from "./netlink_message.ts";

const AF_INET = 2; // <sys/socket.h>
const AF_INET6 = 10;
const RTM_NEWROUTE = 24; // <linux/rtnetlink.h>
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const RTMGRP_LINK = 0x1;
const RTMGRP_IPV4_IFADDR = 0x10;
const RTMGRP_IPV4_ROUTE = 0x40;
const RTMGRP_IPV6_IFADDR = 0x100;
const RTMGRP_IPV6_ROUTE = 0x400;
const RTA_GATEWAY = 5;
const RTA_MULTIPATH = 9;
const RTA_VIA = 18;
const RTN_UNICAST = 1;
const RTMSG = { FAMILY: 0, PREFIX: 1, TYPE: 7, BYTES: 12 } as const; // struct rtmsg
const NEXTHOP_BYTES = 8; // struct rtnexthop: u16 length, u8 flags, u8 hops, i32 interface
const VIA_ADDRESS = 2; // struct rtvia: u16 family, u8 address[]

/**
 * The longest prefix that still stands for "everywhere": VPNs set two routes to 0.0.0.0/1 and
 * 128.0.0.0/1 instead of one default route, or 2000::/4 and 3000::/4.
 */
const DEFAULT_PREFIX = { [AF_INET]: 1, [AF_INET6]: 4 } as const;

/**
 * Gateways of the default routes in all tables, IPv4 and IPv6.
 *
 * @returns 4 or 16 bytes each, in network order; the same one may come twice
 * @throws {SystemError} when the kernel does not answer
 */
export function listGateways(): Uint8Array[] {
  const gateways: Uint8Array[] = [];
  // A router's table may have a million routes and change all the time: the others are passed over,
  // and an answer with changes in it is good, because whoever asks is told of those to come.
  dumpOnce(RTM_GETROUTE, RTMSG.BYTES, (type, route) => {
    if (type === RTM_NEWROUTE && isDefault(route)) gateways.push(...gatewaysOf(route));
  });
  return gateways;
}

/** Whether a route (struct rtmsg) leads everywhere, or to as good as everywhere. */
export function isDefault(route: DataView): boolean {
  if (route.byteLength < RTMSG.BYTES) return false;
  const family = route.getUint8(RTMSG.FAMILY);
  return (family === AF_INET || family === AF_INET6) &&
    route.getUint8(RTMSG.PREFIX) <= DEFAULT_PREFIX[family];
}

/**
 * The gateways of a route (struct rtmsg and its attributes): none when it leads to a link, or says
 * that there is no way.
 */
export function gatewaysOf(route: DataView): Uint8Array[] {
  if (route.byteLength < RTMSG.BYTES || route.getUint8(RTMSG.TYPE) !== RTN_UNICAST) return [];
  const found = attributes(route, RTMSG.BYTES);
  const gateways = gatewayAmong(found);
  const paths = found.get(RTA_MULTIPATH);
  if (!paths) return gateways;
  const view = new DataView(paths.buffer, paths.byteOffset, paths.byteLength);
  for (let offset = 0; offset + NEXTHOP_BYTES <= view.byteLength;) {
    const length = view.getUint16(offset, true);
    if (length < NEXTHOP_BYTES || offset + length > view.byteLength) break;
    const nexthop = new DataView(view.buffer, view.byteOffset + offset, length);
    gateways.push(...gatewayAmong(attributes(nexthop, NEXTHOP_BYTES)));
    offset += align(length);
  }
  return gateways;
}

/** RTA_VIA is a gateway of another family than the route's (RFC 5549). */
function gatewayAmong(found: Map<number, Uint8Array>): Uint8Array[] {
  return [found.get(RTA_GATEWAY), found.get(RTA_VIA)?.subarray(VIA_ADDRESS)]
    .filter((address) => address?.length === 4 || address?.length === 16)
    .map((address) => address!.slice());
}

/** Tells that addresses or default routes have changed, not how: ask for the lists again. */
export class RouteChanges {
  readonly #fd: number;
  readonly #buffer = new Uint8Array(65_536);
  readonly #view = new DataView(this.#buffer.buffer);

  /** @throws {SystemError} when the kernel gives no such socket */
  constructor() {
    // The kernel tells nothing of the IPv4 routes that go with an interface, so it is followed, too.
    this.#fd = subscribe(
      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
        RTMGRP_IPV6_ROUTE,
    );
  }

  /**
   * Takes all that waits: whether something of it may have changed addresses or default routes. Where
   * a router changes its other routes all the time, that is no change.
   */
  any(): boolean {
    let changed = false;
    // An overflow reads as an error once, before what had still found room: that was not all, then.
    for (let failures = 0; failures < 2;) {
      const received = Number(libc().recv(this.#fd, this.#buffer, BigInt(this.#buffer.length), 0));
      if (received <= 0) failures++;
      else changed = failures > 0 || this.#matters(received) || changed;
    }
    return changed;
  }

  close(): void {
    libc().close(this.#fd);
  }

  #matters(received: number): boolean {
    let matters = false;
    const good = walkMessages(this.#view, received, (start, end, type) => {
      const route = type === RTM_NEWROUTE || type === RTM_DELROUTE;
      const body = start + HEADER_BYTES;
      matters = !route || isDefault(new DataView(this.#buffer.buffer, body, end - body));
      return !matters;
    });
    return matters || !good;
  }
}
