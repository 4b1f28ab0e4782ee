/**
 * Connect mode: every watched port is listened on, and whoever comes is a probe.
 *
 * @module
 */
import { DatagramExchange } from "../../ffi/datagram.ts";
import type { Poller } from "../../ffi/epoll.ts";
import { libc } from "../../ffi/libc.ts";
import {
  droppedDatagrams,
  Family,
  localAddress,
  readableNow,
  sendNow,
  SocketAddress,
  waitingConnections,
  widestFamily,
} from "../../ffi/socket.ts";
import { PortSet } from "../config/ports.ts";
import { CONNECTS_PER_TURN, MOST_UNREAD } from "../limits.ts";
import { IpOptions, Packet, Protocol, Reject } from "../packet/packet.ts";
import { Acceptor } from "./acceptor.ts";
import { BannerBudget } from "./banner_budget.ts";
import { LingeringConnections } from "./lingering.ts";
import type { WatchedPorts } from "./frame_source.ts";
import { closePorts, type Listener, nameOf, openPorts, startError } from "./listeners.ts";
import type { Sentry } from "./sentry.ts";

/** What a sentry is given and whom it tells. */
export interface ConnectSentryOptions extends WatchedPorts {
  /** PORT_BANNER: text for whoever comes. */
  banner: string | undefined;
  poller: Poller;
  /**
   * Takes each connection or datagram as a packet, and says whether its sender gets the banner. The
   * record is reused as soon as this returns.
   */
  onPacket: (packet: Packet) => boolean;
  /** Takes what `-v` tells. */
  onVerbose: (text: string) => void;
  /** Takes what is wrong but lets the others be watched, such as a port that is taken. */
  onFailure: (text: string) => void;
}

/** Listens on every port until it is closed. */
export class ConnectSentry implements Sentry {
  readonly #options: ConnectSentryOptions;
  readonly #family = widestFamily();
  #listeners: Listener[];
  #tcpPorts: PortSet;
  #banner: Uint8Array<ArrayBuffer> | undefined;
  #datagrams: DatagramExchange;
  readonly #lingering: LingeringConnections;
  readonly #budget = new BannerBudget();
  readonly #packet = new Packet();
  readonly #peer = new SocketAddress();
  readonly #own = new SocketAddress();
  /** UDP ports that had datagrams since the last {@link losses}: only they can have lost some. */
  readonly #active = new Set<Listener>();
  readonly #dropsSeen = new Map<Listener, number>();
  readonly #acceptor: Acceptor;
  #dropped = 0;
  /** Connections and datagrams that waited at ports which were given up. */
  #unread = 0;
  #notToThisHost = 0;

  /**
   * Opens all ports that are free, and tells which are not.
   *
   * @throws {StartError} when no port can be had, or when the system does not allow as many
   * descriptors as are needed
   * @throws {SystemError} when the sockets cannot be waited on
   */
  constructor(options: ConnectSentryOptions) {
    this.#options = options;
    this.#banner = bannerBytes(options.banner);
    const { listeners, warnings } = openPorts(this.#family, options);
    if (listeners.length === 0) throw startError(...warnings);
    this.#listeners = listeners;
    this.#tcpPorts = portsOf(listeners, "TCP");
    this.#datagrams = new DatagramExchange(this.#family, this.#banner ?? new Uint8Array(0));
    this.#lingering = new LingeringConnections(options.poller);
    this.#acceptor = new Acceptor(options.poller, (listener) => this.#watch(listener));
    try {
      for (const listener of listeners) this.#watch(listener);
    } catch (error) {
      this.close();
      throw error;
    }
    for (const text of warnings) options.onFailure(text);
    const only = this.#family === Family.IPv4 ? ", over IPv4 only: this system has no IPv6" : "";
    options.onVerbose(`Listening on ${listeners.length} ports${only}`);
  }

  /**
   * Listens on other ports, or with another banner, from now on; ports that stay are not touched.
   *
   * @throws {StartError} when the number of ports is too much; nothing has changed then
   */
  watch(ports: WatchedPorts, banner: string | undefined): void {
    const bytes = bannerBytes(banner);
    const stay = (set: Listener) =>
      (set.protocol === "TCP" ? ports.tcpPorts : ports.udpPorts).has(set.port);
    const kept = this.#listeners.filter(stay);
    // Ports that were taken before are tried again.
    const added = {
      tcpPorts: ports.tcpPorts.without(portsOf(kept, "TCP")),
      udpPorts: ports.udpPorts.without(portsOf(kept, "UDP")),
    };
    const { listeners, warnings } = openPorts(this.#family, added, kept.length);
    const gone = this.#listeners.filter((listener) => !stay(listener));
    for (const listener of gone) {
      this.#options.poller.remove(listener.fd);
      this.#leave(listener);
      this.#active.delete(listener);
      this.#acceptor.forget(listener);
      this.#dropsSeen.delete(listener);
    }
    closePorts(gone);
    this.#listeners = [...kept, ...listeners];
    this.#tcpPorts = portsOf(this.#listeners, "TCP");
    for (const listener of listeners) this.#watch(listener);
    this.#banner = bytes;
    this.#datagrams.close();
    this.#datagrams = new DatagramExchange(this.#family, bytes ?? new Uint8Array(0));
    for (const text of warnings) this.#options.onFailure(text);
  }

  /** Whether this sentry is who listens on a TCP port. */
  listensOn(port: number): boolean {
    return this.#tcpPorts.has(port);
  }

  get watched(): string[] {
    return (["TCP", "UDP"] as const).map((protocol) => ({
      protocol,
      ports: portsOf(this.#listeners, protocol),
    })).filter(({ ports }) => ports.size > 0)
      .map(({ protocol, ports }) => `listening on ${nameOf(protocol, ports)}`);
  }

  /** Datagrams that were no probes so far, by reason. */
  get rejects(): Map<string, number> {
    const rejects = new Map<string, number>();
    if (this.#notToThisHost > 0) rejects.set("broadcast or multicast", this.#notToThisHost);
    return rejects;
  }

  /** What was lost, or came late. */
  *losses(): Iterable<{ what: string; count: number }> {
    for (const listener of this.#active) {
      const drops = droppedDatagrams(listener.fd);
      this.#dropped += (drops - (this.#dropsSeen.get(listener) ?? 0)) >>> 0;
      if (drops > 0) this.#dropsSeen.set(listener, drops);
    }
    this.#active.clear();
    yield {
      what: "datagrams were dropped by the kernel, the buffers of their ports were full",
      count: this.#dropped,
    };
    yield {
      what: "times connections had to wait, no file descriptor was left to accept them",
      count: this.#acceptor.shortages,
    };
    yield {
      what: "connections and datagrams still waited when their ports were closed",
      count: this.#unread,
    };
  }

  /** Takes what the kernel still holds, for `limitMs` at most. */
  drain(limitMs: number): void {
    const deadline = performance.now() + limitMs;
    // To try each of 65,535 ports would take a second: accept4(2) makes a socket before it looks.
    for (const i of readableNow(this.#listeners.map(({ fd }) => fd))) {
      const listener = this.#listeners[i];
      let more = true;
      while (more && performance.now() < deadline) {
        more = listener.protocol === "TCP"
          ? this.#acceptSome(listener, false)
          : this.#receiveSome(listener);
      }
      if (more) this.#leave(listener);
    }
  }

  /** Gives all ports back, and ends all connections. */
  close(): void {
    this.#active.clear();
    this.#lingering.close();
    for (const { fd } of this.#listeners) this.#options.poller.remove(fd);
    closePorts(this.#listeners);
    this.#datagrams.close();
    this.#acceptor.close();
  }

  /** Counts what waits at a port, and what nobody looks at any more. */
  #leave({ protocol, fd }: Listener): void {
    if (protocol === "TCP") this.#unread += waitingConnections(fd);
    else while (this.#unread < MOST_UNREAD && this.#datagrams.receive(fd)) this.#unread++;
  }

  #watch(listener: Listener): void {
    this.#options.poller.add(
      listener.fd,
      listener.protocol === "TCP"
        ? () => this.#acceptSome(listener, true)
        : () => this.#receiveSome(listener),
    );
  }

  /**
   * Accepts what waits, but leaves the rest for the next turn: others have work too.
   *
   * @param ready whether a connection is known to wait
   * @returns whether there may be more
   */
  #acceptSome(listener: Listener, ready: boolean): boolean {
    for (let turn = 0; turn < CONNECTS_PER_TURN; turn++) {
      const fd = this.#acceptor.accept(listener, this.#peer, ready && turn === 0);
      if (fd < 0) return false;
      this.#takeConnection(listener, fd);
      this.#acceptor.refill();
    }
    return true;
  }

  #takeConnection({ port }: Listener, fd: number): void {
    const packet = this.#packet;
    packet.protocol = Protocol.Tcp;
    if (localAddress(fd, this.#own)) this.#own.copyAddress(packet.destination);
    else packet.destination.fill(0);
    const answer = this.#take(this.#peer, port) ? this.#banner : undefined;
    if (answer) sendNow(fd, answer);
    // Without a spare descriptor there are none to keep connections open with.
    if (answer && this.#acceptor.hasSpare) this.#lingering.add(fd);
    else libc().close(fd);
  }

  /** Receives what waits, like {@link #acceptSome}. */
  #receiveSome(listener: Listener): boolean {
    const { fd, port } = listener;
    const datagrams = this.#datagrams;
    const packet = this.#packet;
    this.#active.add(listener);
    for (let turn = 0; turn < CONNECTS_PER_TURN; turn++) {
      if (!datagrams.receive(fd)) return false;
      // The neighbours' DHCP and NetBIOS broadcasts are no probes, and asking all is not scanning us.
      if (!datagrams.toThisHost) {
        this.#notToThisHost++;
        continue;
      }
      packet.protocol = Protocol.Udp;
      packet.destination.set(datagrams.destination);
      if (!this.#take(datagrams.source, port) || !this.#banner) continue;
      const { version, source, sourcePort, timeMs } = packet;
      if (this.#budget.spend(version, source, sourcePort, timeMs)) datagrams.answer(fd);
    }
    return true;
  }

  /** Hands the packet over; its protocol and destination are there already. */
  #take(source: SocketAddress, port: number): boolean {
    const packet = this.#packet;
    packet.reject = Reject.None;
    packet.version = source.version;
    source.copyAddress(packet.source);
    packet.sourcePort = source.port;
    packet.destinationPort = port;
    packet.tcpFlags = 0;
    packet.ipOptions = IpOptions.Unknown;
    packet.timeMs = Date.now();
    packet.readMs = performance.now();
    return this.#options.onPacket(packet);
  }
}

function portsOf(listeners: readonly Listener[], wanted: Listener["protocol"]): PortSet {
  return new PortSet(
    listeners.filter(({ protocol }) => protocol === wanted)
      .map(({ port }) => ({ first: port, last: port })),
  );
}

function bannerBytes(banner: string | undefined): Uint8Array<ArrayBuffer> | undefined {
  return banner === undefined ? undefined : new TextEncoder().encode(banner);
}
