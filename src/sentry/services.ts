/**
 * Whether a local service is bound where a packet went: then the packet is no probe. The check asks
 * the kernel; it never opens, binds or answers anything.
 *
 * @module
 */
import { readSystemFile, SystemError } from "../../ffi/libc.ts";
import { SocketDiagnosis } from "../../ffi/sock_diag.ts";
import { SERVICE_CACHE_ENTRIES, SERVICE_CACHE_MS, SERVICE_QUESTIONS } from "../limits.ts";
import { hashAddress, newHashKey } from "../packet/address_hash.ts";
import { type Packet, Protocol } from "../packet/packet.ts";
import { LocalSockets } from "./local_sockets.ts";

/** Answers where services are. */
export interface Services {
  /** Whether a service would take this packet. */
  has(packet: Packet): boolean;
  close(): void;
}

/** The best way this kernel offers: sock_diag(7), or the tables of /proc/net. */
export function openServices(
  onVerbose: (text: string) => void,
  onFailure: (text: string) => void,
): Services {
  const diagnosis = SocketDiagnosis.openFor(Protocol.Tcp, Protocol.Udp);
  if (diagnosis) return new DiagnosedServices(diagnosis, onFailure);
  onVerbose("This kernel cannot look sockets up: services are read from /proc/net");
  return new ListedServices();
}

const NO_ADDRESS = new Uint8Array(16);
const KEY_BYTES = 20; // a multiple of 4: address (16), port (2), protocol, version

/**
 * Services by sock_diag: one question to the kernel, 4 µs, for each address and port that packets
 * come to, and again after the answer's time. Where a port has a connected UDP socket, it is asked
 * for by each packet's own source, and the answer is not remembered: it says nothing about another.
 */
export class DiagnosedServices implements Services {
  readonly #diagnosis: SocketDiagnosis;
  readonly #onFailure: (text: string) => void;
  /** What is asked instead when the kernel has failed to answer once. */
  #listed: ListedServices | undefined;
  readonly #hashKey = newHashKey();
  readonly #key = new Uint8Array(KEY_BYTES);
  readonly #keys = new Uint8Array(SERVICE_CACHE_ENTRIES * KEY_BYTES);
  readonly #answers = new Uint8Array(SERVICE_CACHE_ENTRIES);
  readonly #goodUntil = new Float64Array(SERVICE_CACHE_ENTRIES);

  readonly #connectedPorts = new Uint8Array(65_536);
  #listedWindow = -Infinity;
  #windowEnd = -Infinity;
  #asked = 0;

  /** @param onFailure takes why the kernel is not asked any more */
  constructor(diagnosis: SocketDiagnosis, onFailure: (text: string) => void) {
    this.#diagnosis = diagnosis;
    this.#onFailure = onFailure;
  }

  has(packet: Packet): boolean {
    if (this.#listed) return this.#listed.has(packet);
    try {
      if (this.#unconnected(packet)) return true;
      return packet.protocol === Protocol.Udp && this.#mayBeConnected(packet) &&
        this.#ask(packet, packet.source, packet.sourcePort);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      // The kernel may be short of memory. An answer that comes late would be taken for the next
      // question's, so this socket is not asked again.
      this.#onFailure(`Services are read from /proc/net from now on: ${error.message}`);
      this.#listed = new ListedServices();
      return this.#listed.has(packet);
    }
  }

  close(): void {
    this.#diagnosis.close();
  }

  /** A listening TCP socket or an unconnected UDP one: the same answer for every source. */
  #unconnected(packet: Packet): boolean {
    const entry = this.#entryOf(packet);
    if (this.#goodUntil[entry] > packet.readMs && this.#isKey(entry)) {
      return this.#answers[entry] === 1;
    }
    const answer = this.#ask(packet, NO_ADDRESS, 0);
    this.#keys.set(this.#key, entry * KEY_BYTES);
    this.#answers[entry] = answer ? 1 : 0;
    this.#goodUntil[entry] = packet.readMs + SERVICE_CACHE_MS;
    return answer;
  }

  /**
   * Whether a connected UDP socket may have the port. While packets are few the kernel is asked about
   * each, so that an answer to a question of this host's own is never taken for a probe, however
   * young the socket. In a flood one list of such ports serves for a moment.
   */
  #mayBeConnected({ destinationPort, readMs }: Packet): boolean {
    if (readMs >= this.#windowEnd) {
      this.#windowEnd = readMs + SERVICE_CACHE_MS;
      this.#asked = 0;
    }
    if (this.#asked++ < SERVICE_QUESTIONS) return true;
    if (this.#listedWindow !== this.#windowEnd) {
      this.#listedWindow = this.#windowEnd;
      this.#connectedPorts.fill(0);
      this.#diagnosis.connectedUdpPorts(this.#connectedPorts);
    }
    return this.#connectedPorts[destinationPort] === 1;
  }

  #ask(packet: Packet, remote: Uint8Array, remotePort: number): boolean {
    const { protocol, version, destination, destinationPort, interfaceIndex } = packet;
    const state = this.#diagnosis.stateOf(
      protocol,
      version,
      destination,
      destinationPort,
      remote,
      remotePort,
      interfaceIndex,
    );
    return state !== 0;
  }

  /** Writes the packet's key and finds its place; two that meet there displace each other. */
  #entryOf({ version, protocol, destination, destinationPort }: Packet): number {
    const length = version === 4 ? 4 : 16;
    for (let i = 0; i < 16; i++) this.#key[i] = i < length ? destination[i] : 0;
    this.#key[16] = destinationPort >> 8;
    this.#key[17] = destinationPort;
    this.#key[18] = protocol;
    this.#key[19] = version;
    return hashAddress(this.#hashKey, this.#key, KEY_BYTES) & (SERVICE_CACHE_ENTRIES - 1);
  }

  #isKey(entry: number): boolean {
    for (let i = 0; i < KEY_BYTES; i++) {
      if (this.#keys[entry * KEY_BYTES + i] !== this.#key[i]) return false;
    }
    return true;
  }
}

/** Services by /proc/net, read anew when what was read is too old: for kernels without sock_diag. */
export class ListedServices implements Services {
  #sockets = new LocalSockets([]);
  #goodUntil = -Infinity;

  has(packet: Packet): boolean {
    if (packet.readMs >= this.#goodUntil) {
      this.#sockets = new LocalSockets(["tcp", "tcp6", "udp", "udp6"].flatMap(readTable));
      this.#goodUntil = packet.readMs + SERVICE_CACHE_MS;
    }
    return this.#sockets.takes(packet);
  }

  close(): void {}
}

/** A table of /proc/net; empty when the kernel has none, as without IPv6. */
export function readTable(name: string): { protocol: Protocol; table: string }[] {
  try {
    const protocol = name.startsWith("tcp") ? Protocol.Tcp : Protocol.Udp;
    return [{ protocol, table: readSystemFile(`/proc/net/${name}`) }];
  } catch (error) {
    if (error instanceof SystemError) return [];
    throw error;
  }
}
