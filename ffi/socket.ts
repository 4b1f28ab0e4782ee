/**
 * Sockets of libc for whoever waits for strangers: ip(7), ipv6(7), tcp(7) and socket(7), typed.
 *
 * `Deno.listen` asks for a client's address after it has accepted the connection, and has none to
 * tell when the client has reset it meanwhile; accept4(2) gives both in one.
 *
 * @module
 */
import { check, libc } from "./libc.ts";
import { openLibrary } from "./libraries.ts";

const SYMBOLS = {
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" }, // int fd, const struct sockaddr *addr, socklen_t len
  listen: { parameters: ["i32", "i32"], result: "i32" }, // int fd, int backlog
  accept4: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" }, // int fd, struct sockaddr *addr, socklen_t *len, int flags
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" }, // int fd, struct sockaddr *addr, socklen_t *len
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" }, // int fd, int level, int name, const void *value, socklen_t len
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" }, // int fd, int level, int name, void *value, socklen_t *len
  poll: { parameters: ["buffer", "usize", "i32"], result: "i32" }, // struct pollfd *fds, nfds_t n, int timeout (ms)
  shutdown: { parameters: ["i32", "i32"], result: "i32" }, // int fd, int how
} as const satisfies Deno.ForeignLibraryInterface;

type Sockets = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** Address families, `<bits/socket.h>`. A socket of {@link Family.IPv6} here serves IPv4 as well. */
export const Family = { IPv4: 2, IPv6: 10 } as const;
export type Family = typeof Family[keyof typeof Family];

const SOCK_STREAM = 1; // <bits/socket_type.h>
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1; // <asm-generic/socket.h>
const SO_REUSEADDR = 2;
const SO_MEMINFO = 55;
const SK_MEMINFO_DROPS = 8; // <linux/sock_diag.h>
const SK_MEMINFO_VARS = 9;
const IPPROTO_IP = 0; // <netinet/in.h>
const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;
const IP_PKTINFO = 8; // <linux/in.h>
const TCP_INFO = 11; // <linux/tcp.h>
const TCPI_UNACKED = 24; // struct tcp_info: of a listening socket, the length of its queue
const TCP_INFO_BYTES = 28; // as much of it as that takes
const IPV6_V6ONLY = 26; // <linux/in6.h>
const IPV6_RECVPKTINFO = 49;
const MSG_DONTWAIT = 0x40; // <bits/socket.h>
const MSG_NOSIGNAL = 0x4000;
const SHUT_WR = 1;
const POLLIN = 0x001; // <bits/poll.h>
const POLLFD_BYTES = 8; // struct pollfd: int fd, short events, short revents

let opened: Sockets | undefined;

/** @throws {LibraryError} when no known libc can be opened */
function sockets(): Sockets {
  return opened ??= openLibrary("libc", SYMBOLS).symbols;
}

/**
 * A struct sockaddr_in or sockaddr_in6 that system calls fill again and again. An IPv4 address that
 * an IPv6 socket tells as `::ffff:192.0.2.1` (RFC 4291, section 2.5.5.2) reads as the IPv4 address it
 * is.
 */
export class SocketAddress {
  /** Bytes of a struct sockaddr_in6, the longer of the two. */
  static readonly BYTES = 28;
  /** The structure as the kernel writes it. */
  readonly bytes = new Uint8Array(SocketAddress.BYTES);
  /** The length a system call is given and gives back, a socklen_t. */
  readonly length = new Uint32Array(1);

  /** 4 or 6. */
  get version(): 4 | 6 {
    return this.bytes[0] === Family.IPv4 || isMapped(this.bytes, 8) ? 4 : 6;
  }

  /** The port, in host order. */
  get port(): number {
    return this.bytes[2] << 8 | this.bytes[3];
  }

  /** Copies the 4 or 16 address bytes, in network order, to the start of `target`. */
  copyAddress(target: Uint8Array): void {
    const ipv4 = this.version === 4;
    const offset = this.bytes[0] === Family.IPv4 ? 4 : ipv4 ? 20 : 8;
    for (let i = 0; i < (ipv4 ? 4 : 16); i++) target[i] = this.bytes[offset + i];
  }
}

/** Whether the 16 bytes at `offset` are an IPv4-mapped IPv6 address. */
export function isMapped(bytes: Uint8Array, offset: number): boolean {
  for (let i = 0; i < 10; i++) if (bytes[offset + i] !== 0) return false;
  return bytes[offset + 10] === 0xff && bytes[offset + 11] === 0xff;
}

/**
 * The family that reaches most: IPv6, which serves IPv4 too, unless this system has none (the kernel
 * parameter `ipv6.disable=1`, or a sandbox that allows IPv4 only).
 */
export function widestFamily(): Family {
  const fd = libc().socket(Family.IPv6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Family.IPv4;
  libc().close(fd);
  return Family.IPv6;
}

/**
 * A non-blocking TCP socket that listens on `port` of every address of this host.
 *
 * @param backlog connections that may wait for {@link accept}; the kernel's somaxconn is the most
 * @throws {SystemError} when the port is taken or not permitted
 */
export function listenTcp(family: Family, port: number, backlog: number): number {
  return configured(family, SOCK_STREAM, (fd) => {
    // Our own connections of a former run linger in TIME_WAIT, and must not keep their ports from
    // us. A port on which someone listens stays refused.
    setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    bindTo(fd, family, port);
    check(sockets().listen(fd, backlog), "listen");
  });
}

/**
 * A non-blocking UDP socket on `port` of every address of this host, which tells the destination of
 * each datagram. It has no SO_REUSEADDR: that would share a port with the service that has it.
 *
 * @throws {SystemError} when the port is taken or not permitted
 */
export function bindUdp(family: Family, port: number): number {
  return configured(family, SOCK_DGRAM, (fd) => {
    // Also on an IPv6 socket, where IPv4 datagrams then carry both: see datagram.ts.
    setOption(fd, IPPROTO_IP, IP_PKTINFO, 1);
    if (family === Family.IPv6) setOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    bindTo(fd, family, port);
  });
}

/** Whether the kernel still finds a free port for a connection or question of this host's own. */
export function hasFreePort(family: Family, protocol: "TCP" | "UDP"): boolean {
  try {
    const type = protocol === "TCP" ? SOCK_STREAM : SOCK_DGRAM;
    libc().close(configured(family, type, (fd) => bindTo(fd, family, 0)));
    return true;
  } catch {
    return false;
  }
}

/** A new socket, made ready by `configure`, and closed again when that throws. */
function configured(family: Family, type: number, configure: (fd: number) => void): number {
  const fd = check(libc().socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  try {
    if (family === Family.IPv6) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    configure(fd);
  } catch (error) {
    libc().close(fd);
    throw error;
  }
  return fd;
}

const optionValue = new Int32Array(1);

function setOption(fd: number, level: number, name: number, value: number): void {
  optionValue[0] = value;
  check(sockets().setsockopt(fd, level, name, optionValue, 4), "setsockopt");
}

const anyAddress = new Uint8Array(SocketAddress.BYTES);

function bindTo(fd: number, family: Family, port: number): void {
  anyAddress[0] = family;
  anyAddress[2] = port >> 8;
  anyAddress[3] = port;
  check(sockets().bind(fd, anyAddress, family === Family.IPv4 ? 16 : SocketAddress.BYTES), "bind");
}

/**
 * Takes a connection that waits; of one that the client has reset meanwhile, too.
 *
 * @param peer gets the client's address
 * @returns a non-blocking descriptor, or -1 when none waits or none can be had
 */
export function accept(listener: number, peer: SocketAddress): number {
  peer.length[0] = SocketAddress.BYTES;
  return sockets().accept4(listener, peer.bytes, peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/** Puts the address that the client of a connection asked for into `own`; false if it has none. */
export function localAddress(fd: number, own: SocketAddress): boolean {
  own.length[0] = SocketAddress.BYTES;
  return sockets().getsockname(fd, own.bytes, own.length) === 0;
}

/** Sends what fits without waiting. A client that has gone is no error. */
export function sendNow(fd: number, bytes: Uint8Array<ArrayBuffer>): void {
  libc().send(fd, bytes, BigInt(bytes.length), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/** Says to the client that nothing more comes, and goes on receiving. */
export function finishSending(fd: number): void {
  sockets().shutdown(fd, SHUT_WR);
}

/** Takes input from a connection: how many bytes, 0 at its end, -1 when none waits or it broke. */
export function receiveNow(fd: number, into: Uint8Array<ArrayBuffer>): number {
  return Number(libc().recv(fd, into, BigInt(into.length), MSG_DONTWAIT));
}

/**
 * Indices of those descriptors that can be read or accepted from now, by one call for all; every index
 * when the kernel does not say.
 */
export function readableNow(fds: readonly number[]): number[] {
  const polled = new DataView(new ArrayBuffer(fds.length * POLLFD_BYTES));
  fds.forEach((fd, i) => {
    polled.setInt32(i * POLLFD_BYTES, fd, true);
    polled.setInt16(i * POLLFD_BYTES + 4, POLLIN, true);
  });
  const told = sockets().poll(polled, BigInt(fds.length), 0) >= 0;
  return [...fds.keys()].filter((i) => !told || polled.getInt16(i * POLLFD_BYTES + 6, true) !== 0);
}

const tcpInfo = new Uint8Array(TCP_INFO_BYTES);
const tcpInfoLength = new Uint32Array(1);

/** How many connections a listening socket holds that nobody has accepted. */
export function waitingConnections(listener: number): number {
  tcpInfo.fill(0);
  tcpInfoLength[0] = TCP_INFO_BYTES;
  sockets().getsockopt(listener, IPPROTO_TCP, TCP_INFO, tcpInfo, tcpInfoLength);
  return new DataView(tcpInfo.buffer).getUint32(TCPI_UNACKED, true);
}

const memory = new Uint32Array(SK_MEMINFO_VARS);
const memoryLength = new Uint32Array(1);

/** Datagrams that the kernel dropped at this UDP socket, modulo 2^32: its buffer was full. */
export function droppedDatagrams(fd: number): number {
  memory[SK_MEMINFO_DROPS] = 0;
  memoryLength[0] = memory.byteLength;
  sockets().getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, memoryLength);
  return memory[SK_MEMINFO_DROPS];
}
