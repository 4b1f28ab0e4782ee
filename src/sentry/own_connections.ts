/**
 * Which TCP segments belong to a connection of this host, also to one that has ended.
 *
 * To ask the kernel is not enough: when a segment is read from its ring, the connection may be over,
 * and a peer that has missed the end sends for minutes more. So the beginnings are watched. Whatever
 * this host sends with SYN from a watched port makes what comes to that port from there an answer.
 * That holds for connections of containers and of other hosts behind its NAT, too, of which it has no
 * sockets.
 *
 * @module
 */
import type { PacketRing, RingOptions } from "../../ffi/packet_ring.ts";
import type { PortSet } from "../config/ports.ts";
import { CONNECTION_ENTRIES, DOUBT_MS, HANDSHAKES_PER_TURN, LATE_SEGMENT_MS } from "../limits.ts";
import { decode, LinkType } from "../packet/decode.ts";
import { Packet, Protocol, TcpFlag } from "../packet/packet.ts";
import { handshakesProgram } from "./bpf.ts";
import type { OwnNetwork } from "./interfaces.ts";
import { Found, OpenConnections } from "./open_connections.ts";
import { openRing } from "./raw_method.ts";
import { RecentKeys } from "./recent_keys.ts";

/** 10,080 handshakes; the ring's own header (80), IP header and TCP header (120 at most), aligned. */
const RING: RingOptions = { slotBytes: 208, blockBytes: 65_536, blocks: 32, outgoing: true };
const FRAME_BYTES = 208;
const RING_HANDSHAKES = Math.floor(RING.blockBytes / RING.slotBytes) * RING.blocks;

/** Both addresses in 16 bytes, this host's first, and both ports: as {@link OpenConnections} lists. */
const ENDS = { REMOTE: 16, LOCAL_PORT: 32, REMOTE_PORT: 34, BYTES: 36 } as const;
const PORTS = 65_536;

/** What is used of the ring. */
export type Handshakes = Pick<PacketRing, "fd" | "setFilter" | "next" | "dropped" | "close">;

/** Remembers the connections of this host at watched ports. */
export class OwnConnections {
  readonly #handshakes: Handshakes;
  readonly #open: OpenConnections;
  readonly #packet = new Packet();
  readonly #frame = new Uint8Array(FRAME_BYTES);
  readonly #ends = new Uint8Array(ENDS.BYTES);
  /**
   * By port, until when all that comes there may be an answer: a service is or was running there, or
   * there were more connections than can be remembered. So who fills the table, such as a proxy with
   * very many connections, makes scans of some ports go unseen, and no false alarm.
   */
  readonly #answersUntil = new Float64Array(PORTS);
  readonly #known = new RecentKeys(
    CONNECTION_ENTRIES,
    ENDS.BYTES,
    (port, timeS) => this.#expectAnswers(port, timeS * 1000),
  );
  #doubtUntil = -Infinity;
  #lost = 0;
  /** When segments of this turn began to be read, and how many handshakes may still be taken in it. */
  #turnMs = -Infinity;
  #left = 0;

  /**
   * @param onFailure takes why the kernel is not asked for its sockets any more
   * @param handshakes what this host sends with SYN
   * @throws {SystemError} when the kernel gives no ring
   */
  constructor(
    addresses: readonly OwnNetwork[],
    tcpPorts: PortSet,
    onFailure: (text: string) => void,
    handshakes: Handshakes = openRing(handshakesProgram(addresses, tcpPorts), RING),
  ) {
    this.#handshakes = handshakes;
    this.#open = new OpenConnections(onFailure);
    this.#takeUp(tcpPorts);
  }

  /** Readable when this host has begun a connection: call {@link drain} then. */
  get fd(): number {
    return this.#handshakes.fd;
  }

  /**
   * Watches other addresses or ports from now on.
   *
   * @throws {SystemError} when the kernel refuses the filter
   */
  watch(addresses: readonly OwnNetwork[], tcpPorts: PortSet): void {
    this.#handshakes.setFilter(handshakesProgram(addresses, tcpPorts));
    this.#takeUp(tcpPorts);
  }

  /** Whether a segment with ACK, which has come in, belongs or belonged to a connection. */
  has(packet: Packet): boolean {
    if (this.#remembers(packet)) return true;
    const caughtUp = this.#catchUp(packet.readMs);
    if (this.#remembers(packet)) return true;
    // No alarm that may be false; and nothing to remember for a quarter of an hour.
    if (!caughtUp) return true;
    this.#noticeLosses(packet.readMs);
    const { destinationPort, readMs } = packet;
    const found = this.#open.find(packet);
    if (found === Found.Listener) this.#expectAnswers(destinationPort, readMs);
    else if (found === Found.Connection || readMs < this.#doubtUntil) this.#note(readMs);
    else return false;
    return true;
  }

  /** Takes what this host has sent, but leaves the rest for the next turn. */
  drain(): void {
    const nowMs = performance.now();
    for (let taken = 0; taken < HANDSHAKES_PER_TURN && this.#takeOne(nowMs); taken++);
  }

  close(): void {
    this.#handshakes.close();
    this.#open.close();
  }

  /** Leaves the ends of the segment's connection in `#ends`. */
  #remembers({ version, source, destination, sourcePort, destinationPort, readMs }: Packet) {
    if (this.#answersUntil[destinationPort] > readMs) return true;
    this.#setEnds(version, destination, destinationPort, source, sourcePort);
    return this.#known.refresh(this.#ends, Math.floor(readMs / 1000)) >= 0;
  }

  /**
   * Connections that began unseen, before this did or while the ring was full: those that are open are
   * asked for. Those that are not may still get late segments. For a while all that comes is taken for
   * one, and remembered.
   */
  #takeUp(tcpPorts: PortSet): void {
    const nowMs = performance.now();
    this.#doubtUntil = nowMs + DOUBT_MS;
    this.#open.list(this.#ends, (port) => {
      if (tcpPorts.has(port)) this.#note(nowMs);
    });
  }

  /** Of the beginnings that were lost, those are known again that send something in the meantime. */
  #noticeLosses(nowMs: number): void {
    const lost = this.#handshakes.dropped();
    if (lost !== this.#lost) this.#doubtUntil = nowMs + DOUBT_MS;
    this.#lost = lost;
  }

  /**
   * The beginning was sent, and so in its ring, before the answer could come in. Who floods a service
   * with SYN may have the ring filled faster than it is emptied: in the turn of all segments that were
   * read at `readMs`, what it can hold is taken, and no more.
   *
   * @returns whether all is known that was sent before the segment came
   */
  #catchUp(readMs: number): boolean {
    const begins = readMs !== this.#turnMs;
    if (begins) this.#left = RING_HANDSHAKES;
    this.#turnMs = readMs;
    for (; this.#left > 0; this.#left--) if (!this.#takeOne(readMs)) return true;
    return begins;
  }

  /** @returns false when there is none */
  #takeOne(nowMs: number): boolean {
    const length = this.#handshakes.next(this.#frame);
    if (length < 0) return false;
    if (decode(this.#frame, length, LinkType.Raw, this.#packet)) this.#sent(this.#packet, nowMs);
    return true;
  }

  #sent(packet: Packet, nowMs: number): void {
    const { protocol, tcpFlags, version, source, sourcePort, destination } = packet;
    if (protocol !== Protocol.Tcp || (tcpFlags & TcpFlag.Syn) === 0) return;
    // Who floods a service with SYN makes it send as many answers: they fill no table.
    if ((tcpFlags & TcpFlag.Ack) !== 0) return this.#expectAnswers(sourcePort, nowMs);
    this.#setEnds(version, source, sourcePort, destination, packet.destinationPort);
    this.#note(nowMs);
  }

  #note(nowMs: number): void {
    const port = this.#ends[ENDS.LOCAL_PORT] << 8 | this.#ends[ENDS.LOCAL_PORT + 1];
    this.#known.note(this.#ends, Math.floor(nowMs / 1000), port);
  }

  #expectAnswers(port: number, sinceMs: number): void {
    const untilMs = sinceMs + LATE_SEGMENT_MS;
    if (untilMs > this.#answersUntil[port]) this.#answersUntil[port] = untilMs;
  }

  #setEnds(
    version: number,
    local: Uint8Array,
    localPort: number,
    remote: Uint8Array,
    remotePort: number,
  ): void {
    const ends = this.#ends;
    if (version === 4) {
      setMapped(ends, 0, local);
      setMapped(ends, ENDS.REMOTE, remote);
    } else {
      for (let i = 0; i < 16; i++) {
        ends[i] = local[i];
        ends[ENDS.REMOTE + i] = remote[i];
      }
    }
    ends[ENDS.LOCAL_PORT] = localPort >> 8;
    ends[ENDS.LOCAL_PORT + 1] = localPort;
    ends[ENDS.REMOTE_PORT] = remotePort >> 8;
    ends[ENDS.REMOTE_PORT + 1] = remotePort;
  }
}

/** An IPv4 address as `::ffff:192.0.2.1` (RFC 4291, section 2.5.5.2). */
function setMapped(into: Uint8Array, start: number, address: Uint8Array): void {
  for (let i = 0; i < 12; i++) into[start + i] = i < 10 ? 0 : 0xff;
  for (let i = 0; i < 4; i++) into[start + 12 + i] = address[i];
}
