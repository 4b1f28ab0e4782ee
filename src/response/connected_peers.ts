/**
 * Who is connected to this host's TCP services: the administrator who is logged in, for one.
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";
import { SocketDiagnosis } from "../../ffi/sock_diag.ts";
import { Protocol } from "../packet/packet.ts";
import { AddressTable } from "./address_table.ts";
import { Pace } from "./pace.ts";
import { TcpCounters } from "./tcp_counters.ts";
import { readTcpTables } from "./tcp_tables.ts";

const PORTS = 65_536;

/**
 * The other ends of connections to ports on which somebody listens here. Those of connections that
 * this host has made itself are left out: who is asked for something has proved nothing.
 *
 * Listing all connections takes 1 µs each, and 2 ms when there are none: the kernel walks a table that
 * is made for the machine's memory. So the list is only made again when a counter says that somebody
 * has come or gone. The kernel could look for one peer, but it walks all its
 * connections for that, too (a sixth of the time), for one answer where the list answers all.
 */
export class ConnectedPeers {
  readonly #isService: (port: number) => boolean;
  readonly #onFailure: (text: string) => void;
  readonly #pace = new Pace();
  /** Undefined when /proc/net is read instead. */
  #diagnosis = SocketDiagnosis.openFor(Protocol.Tcp);
  #failed = false;
  /** Undefined when the kernel does not count. */
  readonly #counters = openCounters();
  /** What they were just before the list was made. */
  #counted: string | undefined;
  readonly #listening = new Uint8Array(PORTS);
  readonly #peer = new Uint8Array(16);
  #peers = new AddressTable();
  /** The table of the time before, to be filled anew. */
  #spare = new AddressTable();

  /**
   * @param isService whether connections to a port on which somebody listens count
   * @param onFailure takes, once, why the connections are not known
   */
  constructor(isService: (port: number) => boolean, onFailure: (text: string) => void) {
    this.#isService = isService;
    this.#onFailure = onFailure;
  }

  /** The port that a host is connected to; 0 for none. Its address: 16 bytes, see tableAddress(). */
  portOf(address: Uint8Array): number {
    this.#refresh();
    return this.#peers.get(address);
  }

  /** Whether a host in a network is connected; `prefix` is of 128 bits. */
  hasWithin(network: Uint8Array, prefix: number): boolean {
    this.#refresh();
    return this.#peers.hasWithin(network, prefix);
  }

  /** All of them, 16 bytes each; good until the next question. */
  all(): Iterable<Uint8Array> {
    this.#refresh();
    return this.#peers.addresses();
  }

  close(): void {
    this.#counters?.close();
    this.#closeDiagnosis();
  }

  #closeDiagnosis(): void {
    this.#diagnosis?.close();
    this.#diagnosis = undefined;
  }

  /** A connection of half a second ago counts, so the list is made anew whenever it was not just now. */
  #refresh(): void {
    if (!this.#pace.due) return;
    try {
      // Before the list: who comes while it is made is in it, or in the next.
      const counted = this.#counters?.read();
      if (counted !== undefined && counted === this.#counted) return;
      this.#pace.run(() => this.#list());
      this.#counted = counted;
      this.#failed = false;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      if (!this.#failed) this.#onFailure(error.message);
      this.#failed = true;
    }
  }

  #list(): void {
    this.#spare.clear();
    this.#listening.fill(0);
    if (!this.#diagnosed()) this.#read();
    // Only a whole list takes the place of the one before.
    [this.#peers, this.#spare] = [this.#spare, this.#peers];
  }

  /** @returns false when the kernel does not answer; it is not asked again, then */
  #diagnosed(): boolean {
    const diagnosis = this.#diagnosis;
    if (!diagnosis) return false;
    try {
      diagnosis.listeningTcpPorts(this.#listening);
      diagnosis.tcpConnections(this.#peer, (localPort) => this.#add(localPort, this.#peer));
      return true;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      // What is left of this answer would be taken for the next one's.
      this.#closeDiagnosis();
      return false;
    }
  }

  #read(): void {
    const sockets = readTcpTables();
    for (const { localPort, listening } of sockets) {
      if (listening) this.#listening[localPort] = 1;
    }
    for (const { localPort, listening, peer } of sockets) {
      if (!listening) this.#add(localPort, peer);
    }
  }

  #add(localPort: number, peer: Uint8Array): void {
    if (this.#listening[localPort] === 1 && this.#isService(localPort)) {
      this.#spare.add(peer, localPort);
    }
  }
}

function openCounters(): TcpCounters | undefined {
  try {
    return new TcpCounters();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return undefined;
  }
}
