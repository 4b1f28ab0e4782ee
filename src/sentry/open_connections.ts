/**
 * The TCP connections that the kernel knows now, in any state.
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";
import { SocketDiagnosis, TCP_LISTEN } from "../../ffi/sock_diag.ts";
import { CONNECTION_QUESTIONS, SERVICE_CACHE_MS } from "../limits.ts";
import { type Packet, Protocol } from "../packet/packet.ts";
import { LocalSockets } from "./local_sockets.ts";
import { readTable } from "./services.ts";

/** What the kernel has for a segment. */
export const Found = { Nothing: 0, Connection: 1, Listener: 2 } as const;
export type Found = typeof Found[keyof typeof Found];

/** Asks the kernel for the socket that would take a segment. */
export class OpenConnections {
  #diagnosis: SocketDiagnosis | undefined;
  readonly #onFailure: (text: string) => void;
  readonly #usedPorts = new Uint8Array(65_536);
  #listedWindow = -Infinity;
  #windowEnd = -Infinity;
  #asked = 0;
  #tables = new LocalSockets([]);
  #tablesGoodUntil = -Infinity;

  /**
   * @param onFailure takes why the kernel is not asked any more
   * @param diagnosis what it is asked by; undefined where it cannot be
   */
  constructor(
    onFailure: (text: string) => void,
    diagnosis = SocketDiagnosis.openFor(Protocol.Tcp),
  ) {
    this.#onFailure = onFailure;
    this.#diagnosis = diagnosis;
  }

  /** What would take a segment that has come in. */
  find(packet: Packet): Found {
    if (!this.#diagnosis) return this.#look(packet);
    try {
      return this.#mayBeUsed(this.#diagnosis, packet)
        ? this.#ask(this.#diagnosis, packet)
        : Found.Nothing;
    } catch (error) {
      this.#giveUp(error);
      return this.#look(packet);
    }
  }

  /**
   * Lists all connections, those too that have ended and wait.
   *
   * @param ends 36 bytes that get a connection before each call: the address at this end in 16 bytes,
   * that at the other end, and both ports in the same order; IPv4 as `::ffff:192.0.2.1`
   */
  list(ends: Uint8Array, take: (localPort: number) => void): void {
    try {
      this.#diagnosis?.allTcpConnections(ends, take);
    } catch (error) {
      this.#giveUp(error);
    }
  }

  close(): void {
    this.#diagnosis?.close();
    this.#diagnosis = undefined;
  }

  /**
   * While such segments are few the kernel is asked about each. In a flood a list of the ports that
   * have any socket serves for a moment: a connection that is younger has been seen to begin.
   */
  #mayBeUsed(diagnosis: SocketDiagnosis, { destinationPort, readMs }: Packet): boolean {
    if (readMs >= this.#windowEnd) {
      this.#windowEnd = readMs + SERVICE_CACHE_MS;
      this.#asked = 0;
    }
    if (this.#asked++ < CONNECTION_QUESTIONS) return true;
    if (this.#listedWindow !== this.#windowEnd) {
      this.#listedWindow = this.#windowEnd;
      this.#usedPorts.fill(0);
      diagnosis.usedTcpPorts(this.#usedPorts);
    }
    return this.#usedPorts[destinationPort] === 1;
  }

  #ask(diagnosis: SocketDiagnosis, packet: Packet): Found {
    const { version, destination, destinationPort, source, sourcePort, interfaceIndex } = packet;
    const state = diagnosis.stateOf(
      Protocol.Tcp,
      version,
      destination,
      destinationPort,
      source,
      sourcePort,
      interfaceIndex,
    );
    if (state === TCP_LISTEN) return Found.Listener;
    return state === 0 ? Found.Nothing : Found.Connection;
  }

  /** For kernels without sock_diag: the tables of /proc/net, read anew when they are too old. */
  #look(packet: Packet): Found {
    if (packet.readMs >= this.#tablesGoodUntil) {
      this.#tables = new LocalSockets(["tcp", "tcp6"].flatMap(readTable), { connections: true });
      this.#tablesGoodUntil = packet.readMs + SERVICE_CACHE_MS;
    }
    return this.#tables.takes(packet) ? Found.Connection : Found.Nothing;
  }

  #giveUp(error: unknown): void {
    if (!(error instanceof SystemError)) throw error;
    this.#onFailure(`Connections are read from /proc/net from now on: ${error.message}`);
    this.close();
  }
}
