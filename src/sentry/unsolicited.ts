/**
 * What DETECT="extended" adds: pings, and TCP segments that nobody here has asked for.
 *
 * @module
 */
import type { Poller } from "../../ffi/epoll.ts";
import { SystemError } from "../../ffi/libc.ts";
import type { PortSet } from "../config/ports.ts";
import { type Packet, Protocol } from "../packet/packet.ts";
import type { WatchedPorts } from "./frame_source.ts";
import type { Interface, OwnNetwork } from "./interfaces.ts";
import { OwnConnections } from "./own_connections.ts";
import { Pings } from "./pings.ts";

/** Tells what was asked for from what was not; off until it is told to watch so. */
export class Unsolicited {
  readonly #poller: Poller;
  readonly #onFailure: (text: string) => void;
  #addresses: OwnNetwork[] = [];
  #tcpPorts: PortSet | undefined;
  #connections: OwnConnections | undefined;
  /** Whether the kernel has refused to filter for these addresses and ports. */
  #stale = false;
  /** What was told of that, so that it is told once. */
  #failure: string | undefined;
  readonly #pings = new Pings();

  /** @param onFailure takes what goes on in a worse way */
  constructor(poller: Poller, onFailure: (text: string) => void) {
    this.#poller = poller;
    this.#onFailure = onFailure;
  }

  /**
   * Watches these ports from now on, or nothing, as DETECT says. Call it before packets are captured:
   * an answer must not be seen whose question was not.
   *
   * @throws {SystemError} when the kernel refuses; what was watched before is watched on, then
   */
  watch({ detect, tcpPorts }: WatchedPorts): void {
    if (detect !== "extended") return this.close();
    this.#open(tcpPorts);
    this.#tcpPorts = tcpPorts;
  }

  /** Watches again what was watched before; what the kernel refuses now is for {@link follow}. */
  restore(ports: WatchedPorts): void {
    if (ports.detect !== "extended") return this.close();
    this.#tcpPorts = ports.tcpPorts;
    this.#stale = true;
    this.#mend();
  }

  /**
   * Goes by the addresses that this host has now.
   *
   * @returns false when the kernel refuses: then try again later
   */
  follow(interfaces: readonly Interface[]): boolean {
    const addresses = interfaces.flatMap(({ addresses }) => addresses);
    this.#stale ||= textOf(addresses) !== textOf(this.#addresses);
    this.#addresses = addresses;
    return this.#mend();
  }

  #mend(): boolean {
    if (!this.#stale || !this.#tcpPorts) return true;
    try {
      this.#open(this.#tcpPorts);
      return true;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      if (this.#failure !== error.message) {
        this.#onFailure(`Connections of new addresses are not told from scans: ${error.message}`);
      }
      this.#failure = error.message;
      return false;
    }
  }

  #open(tcpPorts: PortSet): void {
    if (this.#connections) this.#connections.watch(this.#addresses, tcpPorts);
    else {
      const connections = new OwnConnections(this.#addresses, tcpPorts, this.#onFailure);
      try {
        this.#poller.add(connections.fd, () => connections.drain());
      } catch (error) {
        connections.close();
        throw error;
      }
      this.#connections = connections;
    }
    this.#stale = false;
    this.#failure = undefined;
  }

  /** Whether a ping or a segment with ACK is to be told. */
  isProbe(packet: Packet): boolean {
    if (packet.protocol === Protocol.Icmp) return this.#pings.isNews(packet);
    return this.#connections !== undefined && !this.#connections.has(packet);
  }

  close(): void {
    if (!this.#connections) return;
    this.#poller.remove(this.#connections.fd);
    this.#connections.close();
    this.#connections = undefined;
    this.#tcpPorts = undefined;
  }
}

function textOf(addresses: readonly OwnNetwork[]): string {
  return addresses.map(({ address, prefix }) => `${address}/${prefix}`).join();
}
