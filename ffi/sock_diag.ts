/**
 * sock_diag(7): asks the kernel whether a socket would take a packet, without touching any socket.
 *
 * @module
 */
import { check, libc, SystemError } from "./libc.ts";
import { AF_NETLINK, NLM_F_DUMP, NLM_F_REQUEST } from "./netlink_message.ts";
import { copyAddress, copyEnds, MESSAGE, stateIn, walkSockets } from "./sock_diag_reply.ts";

const AF_INET = 2; // <sys/socket.h>
const AF_INET6 = 10;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_SOCK_DIAG = 4; // <linux/netlink.h>
const SOCK_DIAG_BY_FAMILY = 20; // <linux/sock_diag.h>
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const TCP_ESTABLISHED_STATE = 1 << 1; // <net/tcp_states.h>; a connected UDP socket has it, too
/** What {@link SocketDiagnosis.stateOf} gives for a socket that listens (`<net/tcp_states.h>`). */
export const TCP_LISTEN = 10;
const TCP_LISTEN_STATE = 1 << TCP_LISTEN;
const TCP_CLOSE_STATE = 1 << 7;
const ALL_STATES = 0xffff_ffff;

// struct nlmsghdr, then struct inet_diag_req_v2 (<linux/inet_diag.h>) with its inet_diag_sockid.
const REQUEST = {
  LENGTH: 0,
  TYPE: 4,
  FLAGS: 6,
  FAMILY: 16,
  PROTOCOL: 17,
  STATES: 20,
  SOURCE_PORT: 24,
  DESTINATION_PORT: 26,
  SOURCE: 28,
  DESTINATION: 44,
  INTERFACE: 60,
  COOKIE: 64,
  BYTES: 72,
} as const;
const REPLY_BYTES = 65_536;
const NO_ADDRESS = new Uint8Array(16);

/** A netlink socket for questions about other sockets. */
export class SocketDiagnosis {
  readonly #libc = libc();
  readonly #socket: number;
  readonly #request = new Uint8Array(REQUEST.BYTES);
  readonly #view = new DataView(this.#request.buffer);
  readonly #reply = new Uint8Array(REPLY_BYTES);
  readonly #replyView = new DataView(this.#reply.buffer);

  /** @throws {SystemError} when the kernel has no such netlink family */
  constructor() {
    this.#socket = check(
      this.#libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG),
      "socket(NETLINK_SOCK_DIAG)",
    );
    this.#view.setUint32(REQUEST.LENGTH, REQUEST.BYTES, true);
    this.#view.setUint16(REQUEST.TYPE, SOCK_DIAG_BY_FAMILY, true);
    this.#request.fill(0xff, REQUEST.COOKIE, REQUEST.BYTES); // INET_DIAG_NOCOOKIE
  }

  /**
   * A way to ask about these protocols, 6 (TCP) or 17 (UDP); undefined when this kernel cannot answer
   * for all of them.
   */
  static openFor(...protocols: readonly number[]): SocketDiagnosis | undefined {
    try {
      const diagnosis = new SocketDiagnosis();
      if (protocols.every((protocol) => diagnosis.supports(protocol))) return diagnosis;
      diagnosis.close();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
    return undefined;
  }

  /**
   * Whether this kernel can answer for a protocol. One that cannot (a missing module) answers
   * {@link stateOf} with "no such socket", so ask this first.
   *
   * @param protocol 6 (TCP) or 17 (UDP)
   */
  supports(protocol: number): boolean {
    return this.#dump(protocol, 4, TCP_LISTEN_STATE, () => {}) === 0;
  }

  /**
   * Finds the ports of connected UDP sockets, of both families.
   *
   * @param ports 65,536 flags; those of the ports found are set to 1
   */
  connectedUdpPorts(ports: Uint8Array): void {
    this.#dump(IPPROTO_UDP, 4, TCP_ESTABLISHED_STATE, this.#portsInto(ports));
    this.#dump(IPPROTO_UDP, 6, TCP_ESTABLISHED_STATE, this.#portsInto(ports));
  }

  /**
   * Finds the ports on which a TCP socket listens, of both families.
   *
   * @param ports 65,536 flags; those of the ports found are set to 1
   * @throws {SystemError} when the kernel does not answer
   */
  listeningTcpPorts(ports: Uint8Array): void {
    this.#mustDump(IPPROTO_TCP, 4, TCP_LISTEN_STATE, this.#portsInto(ports));
    this.#mustDump(IPPROTO_TCP, 6, TCP_LISTEN_STATE, this.#portsInto(ports));
  }

  /**
   * Lists the TCP connections of both families that are open in both directions: one that an end has
   * closed is not listed, nor one whose handshake is not complete. 1 µs each.
   *
   * @param peer 16 bytes that get the other end's address before each call; an IPv4 address as
   * `::ffff:192.0.2.1` (RFC 4291, section 2.5.5.2), whatever the family of the socket
   * @param take takes the port at this end
   * @throws {SystemError} when the kernel does not answer
   */
  tcpConnections(peer: Uint8Array, take: (localPort: number) => void): void {
    const takeMessage = (offset: number) => {
      copyAddress(this.#reply, offset, MESSAGE.DESTINATION, peer, 0);
      take(this.#replyView.getUint16(offset + MESSAGE.SOURCE_PORT));
    };
    this.#mustDump(IPPROTO_TCP, 4, TCP_ESTABLISHED_STATE, takeMessage);
    this.#mustDump(IPPROTO_TCP, 6, TCP_ESTABLISHED_STATE, takeMessage);
  }

  /**
   * Lists the TCP connections of both families in every state: those too whose handshake is not
   * complete, and those that have ended and wait. 1 µs each.
   *
   * @param ends 36 bytes that get a connection before each call: the address at this end in 16 bytes,
   * that at the other end, and both ports in the same order; IPv4 as for {@link tcpConnections}
   * @param take takes the port at this end
   * @throws {SystemError} when the kernel does not answer
   */
  allTcpConnections(ends: Uint8Array, take: (localPort: number) => void): void {
    const takeMessage = (offset: number) => {
      copyEnds(this.#reply, offset, ends);
      take(this.#replyView.getUint16(offset + MESSAGE.SOURCE_PORT));
    };
    const states = ALL_STATES & ~(TCP_LISTEN_STATE | TCP_CLOSE_STATE);
    this.#mustDump(IPPROTO_TCP, 4, states >>> 0, takeMessage);
    this.#mustDump(IPPROTO_TCP, 6, states >>> 0, takeMessage);
  }

  /**
   * Finds the ports that have a TCP socket in any state, of both families.
   *
   * @param ports 65,536 flags; those of the ports found are set to 1
   * @throws {SystemError} when the kernel does not answer
   */
  usedTcpPorts(ports: Uint8Array): void {
    this.#mustDump(IPPROTO_TCP, 4, ALL_STATES, this.#portsInto(ports));
    this.#mustDump(IPPROTO_TCP, 6, ALL_STATES, this.#portsInto(ports));
  }

  /**
   * The state of the socket that would take a packet from `remote` to `local`, as `<net/tcp_states.h>`
   * numbers them; 0 when there is none. Sockets bound to any address, dual-stack ones and connected
   * UDP sockets are found like the kernel finds them.
   *
   * @param protocol 6 (TCP) or 17 (UDP)
   * @param version 4 or 6
   * @param remotePort 0 with an address of zeros finds listening and unconnected sockets only
   * @param interfaceIndex where the packet came in; 0 misses sockets bound to one interface
   */
  stateOf(
    protocol: number,
    version: number,
    local: Uint8Array,
    localPort: number,
    remote: Uint8Array,
    remotePort: number,
    interfaceIndex: number,
  ): number {
    this.#fill(protocol, version, local, localPort, remote, remotePort, interfaceIndex);
    this.#view.setUint16(REQUEST.FLAGS, NLM_F_REQUEST, true);
    this.#view.setUint32(REQUEST.STATES, ALL_STATES, true);
    this.#send();
    return stateIn(this.#replyView, this.#receive());
  }

  /** Gives the socket back. */
  close(): void {
    this.#libc.close(this.#socket);
  }

  /** The kernel reads UDP's question from the packet's side, TCP's from the socket's. */
  #fill(
    protocol: number,
    version: number,
    local: Uint8Array,
    localPort: number,
    remote: Uint8Array,
    remotePort: number,
    interfaceIndex: number,
  ): void {
    const udp = protocol === IPPROTO_UDP;
    this.#request[REQUEST.FAMILY] = version === 4 ? AF_INET : AF_INET6;
    this.#request[REQUEST.PROTOCOL] = protocol;
    this.#view.setUint16(REQUEST.SOURCE_PORT, udp ? remotePort : localPort);
    this.#view.setUint16(REQUEST.DESTINATION_PORT, udp ? localPort : remotePort);
    const source = udp ? remote : local;
    const destination = udp ? local : remote;
    const length = version === 4 ? 4 : 16;
    for (let i = 0; i < 16; i++) {
      this.#request[REQUEST.SOURCE + i] = i < length ? source[i] : 0;
      this.#request[REQUEST.DESTINATION + i] = i < length ? destination[i] : 0;
    }
    this.#view.setUint32(REQUEST.INTERFACE, interfaceIndex, true);
  }

  #send(): void {
    check(
      this.#libc.send(this.#socket, this.#request, BigInt(REQUEST.BYTES), 0),
      "send(sock_diag)",
    );
  }

  #receive(): number {
    return check(
      this.#libc.recv(this.#socket, this.#reply, BigInt(REPLY_BYTES), 0),
      "recv(sock_diag)",
    );
  }

  #portsInto(ports: Uint8Array) {
    return (offset: number) => {
      ports[this.#replyView.getUint16(offset + MESSAGE.SOURCE_PORT)] = 1;
    };
  }

  #mustDump(
    protocol: number,
    version: number,
    states: number,
    take: (offset: number) => void,
  ): void {
    const error = this.#dump(protocol, version, states, take);
    if (error !== 0) throw new SystemError("sock_diag", error);
  }

  /**
   * Asks for all sockets of a protocol and family in some states.
   *
   * @param take takes where each one's inet_diag_msg starts in the reply
   * @returns 0, or why the kernel could not answer
   */
  #dump(
    protocol: number,
    version: number,
    states: number,
    take: (offset: number) => void,
  ): number {
    this.#fill(protocol, version, NO_ADDRESS, 0, NO_ADDRESS, 0, 0);
    this.#view.setUint16(REQUEST.FLAGS, NLM_F_REQUEST | NLM_F_DUMP, true);
    this.#view.setUint32(REQUEST.STATES, states, true);
    this.#send();
    for (;;) {
      const error = walkSockets(this.#replyView, this.#receive(), take);
      if (error !== undefined) return error;
    }
  }
}
