/**
 * Classic BPF by hand, of packets that start at the IP header. For hosts without libpcap: the same
 * packets that {@link captureFilters} asks libpcap for. For every host with DETECT="extended": the
 * handshakes that it sends.
 *
 * @module
 */
import type { PortSet } from "../config/ports.ts";
import { FILTER_PORT_RANGES } from "../limits.ts";
import { Extension } from "../packet/ip.ts";
import { IcmpType, Protocol, TcpFlag } from "../packet/packet.ts";
import { ICMPV6 } from "../packet/transport.ts";
import type { WatchedPorts } from "./frame_source.ts";
import type { OwnNetwork } from "./interfaces.ts";

// Codes of <linux/bpf_common.h>, put together as the kernel's own documentation names them.
const LOAD_WORD = 0x20; // ld [k]
const LOAD_HALF = 0x28; // ldh [k]
const LOAD_BYTE = 0x30; // ldb [k]
const LOAD_HALF_AT_X = 0x48; // ldh [x + k]
const LOAD_BYTE_AT_X = 0x50; // ldb [x + k]
const LOAD_X_HEADER_LENGTH = 0xb1; // ldxb 4 * ([k] & 0xf)
const SET_X = 0x01; // ldx #k
const AND = 0x54;
const JUMP = 0x05;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER = 0x25;
const JUMP_GREATER_OR_EQUAL = 0x35;
const JUMP_SET = 0x45;
const RETURN = 0x06;

const ACCEPT_BYTES = 0xffff_ffff;
const { Syn, Ack, Rst } = TcpFlag;
const PACKET_TYPE = 0xffff_f004; // SKF_AD_OFF + SKF_AD_PKTTYPE, <linux/filter.h>
const PACKET_OUTGOING = 4; // <linux/if_packet.h>

interface Instruction {
  code: number;
  k: number;
  /** Label of an unconditional jump. */
  to?: string;
  /** For a conditional jump: skip the next instruction when the condition does not hold, or does. */
  conditional?: "when" | "not";
}

/** Instructions with named places. A condition only ever skips one, so no jump is too far. */
class Assembler {
  readonly #instructions: Instruction[] = [];
  readonly #labels = new Map<string, number>();
  #unnamed = 0;

  emit(code: number, k: number): this {
    this.#instructions.push({ code, k });
    return this;
  }

  /** Goes to `label` when the accumulator compares so with `k`. */
  when(code: number, k: number, label: string): this {
    this.#instructions.push({ code, k, conditional: "when" });
    return this.jump(label);
  }

  /** Goes to `label` when the accumulator does not compare so with `k`. */
  unless(code: number, k: number, label: string): this {
    this.#instructions.push({ code, k, conditional: "not" });
    return this.jump(label);
  }

  jump(label: string): this {
    this.#instructions.push({ code: JUMP, k: 0, to: label });
    return this;
  }

  label(name: string): this {
    this.#labels.set(name, this.#instructions.length);
    return this;
  }

  newLabel(): string {
    return `unnamed ${this.#unnamed++}`;
  }

  /** The program as the kernel takes it: struct sock_filter, 8 bytes each (<linux/filter.h>). */
  assemble(): Uint8Array<ArrayBuffer> {
    const program = new DataView(new ArrayBuffer(this.#instructions.length * 8));
    this.#instructions.forEach(({ code, k, to, conditional }, i) => {
      program.setUint16(i * 8, code, true);
      program.setUint8(i * 8 + 2, conditional === "not" ? 1 : 0); // jt: how many to skip
      program.setUint8(i * 8 + 3, conditional === "when" ? 1 : 0); // jf
      program.setUint32(i * 8 + 4, to === undefined ? k : this.#labels.get(to)! - i - 1, true);
    });
    return new Uint8Array(program.buffer);
  }
}

const MOST_INSTRUCTIONS = 4096; // BPF_MAXINSNS, <linux/bpf_common.h>
const INSTRUCTION_BYTES = 8; // struct sock_filter

/** The programs of the two captures, by hand. */
export function assembledFilters(
  addresses: readonly OwnNetwork[],
  ports: WatchedPorts,
): { headers: Uint8Array<ArrayBuffer>; extensions: Uint8Array<ArrayBuffer> } {
  return {
    headers: fitting((ranges) => headersProgram(addresses, ports, ranges)),
    extensions: extensionsProgram(addresses),
  };
}

/**
 * Segments with SYN that this host sends from a watched port: the first of its own connections, and
 * its answers to those who connect to it. The kernel says itself that it sends them, so nobody can
 * forge one from outside.
 */
export function handshakesProgram(
  addresses: readonly OwnNetwork[],
  tcpPorts: PortSet,
): Uint8Array<ArrayBuffer> {
  return fitting((ranges) => {
    const program = new Assembler();
    program.emit(LOAD_BYTE, PACKET_TYPE).unless(JUMP_EQUAL, PACKET_OUTGOING, "reject");
    startByVersion(program);
    program.label("ipv4").emit(LOAD_BYTE, 9).unless(JUMP_EQUAL, Protocol.Tcp, "reject");
    program.emit(LOAD_HALF, 6).when(JUMP_SET, 0x1fff, "reject");
    program.emit(LOAD_X_HEADER_LENGTH, 0);
    program.emit(LOAD_BYTE_AT_X, 13).unless(JUMP_SET, Syn, "reject");
    hostAddress(program, addresses, 4, SOURCE, "port");
    program.label("ipv6").emit(LOAD_BYTE, 6).unless(JUMP_EQUAL, Protocol.Tcp, "reject");
    program.emit(LOAD_BYTE, 53).unless(JUMP_SET, Syn, "reject").emit(SET_X, 40);
    hostAddress(program, addresses, 6, SOURCE, "port");
    program.label("port").emit(LOAD_HALF_AT_X, 0);
    anyOf(program, tcpPorts, ranges);
    return end(program);
  });
}

/**
 * A host with very many addresses leaves less room for ports: then more ports pass than are watched,
 * and the detector sorts them out.
 */
function fitting(build: (ranges: number) => Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  let ranges = FILTER_PORT_RANGES;
  let program = build(ranges);
  while (program.length > MOST_INSTRUCTIONS * INSTRUCTION_BYTES && ranges > 1) {
    ranges = Math.floor(ranges / 2);
    program = build(ranges);
  }
  return program;
}

function headersProgram(
  addresses: readonly OwnNetwork[],
  { tcpPorts, udpPorts, detect }: WatchedPorts,
  ranges: number,
): Uint8Array<ArrayBuffer> {
  const extended = detect === "extended";
  const program = new Assembler();
  startByVersion(program);
  program.label("ipv4");
  hostAddress(program, addresses, 4, DESTINATION, "own ipv4");
  program.label("own ipv4");
  program.emit(LOAD_HALF, 6).when(JUMP_SET, 0x1fff, "reject"); // a later fragment
  program.emit(LOAD_BYTE, 9)
    .when(JUMP_EQUAL, Protocol.Tcp, "tcp4").when(JUMP_EQUAL, Protocol.Udp, "udp4");
  if (extended) program.when(JUMP_EQUAL, Protocol.Icmp, "icmp4");
  program.jump("reject").label("tcp4");
  firstFragment(program);
  program.emit(LOAD_X_HEADER_LENGTH, 0).emit(LOAD_BYTE_AT_X, 13);
  noAnswer(program, extended);
  program.jump("tcp port");
  program.label("udp4");
  firstFragment(program);
  program.emit(LOAD_X_HEADER_LENGTH, 0).jump("udp port");
  if (extended) {
    program.label("icmp4");
    firstFragment(program);
    program.emit(LOAD_X_HEADER_LENGTH, 0).emit(LOAD_BYTE_AT_X, 0);
    for (const type of Object.values(IcmpType)) program.when(JUMP_EQUAL, type, "accept");
    program.jump("reject");
  }

  program.label("ipv6");
  hostAddress(program, addresses, 6, DESTINATION, "own ipv6");
  program.label("own ipv6").emit(SET_X, 40).emit(LOAD_BYTE, 6)
    .when(JUMP_EQUAL, Protocol.Tcp, "tcp6").when(JUMP_EQUAL, Protocol.Udp, "udp port");
  if (extended) program.when(JUMP_EQUAL, ICMPV6.PROTOCOL, "icmp6");
  program.jump("reject").label("tcp6").emit(LOAD_BYTE, 53);
  noAnswer(program, extended);
  program.label("tcp port").emit(LOAD_HALF_AT_X, 2);
  anyOf(program, tcpPorts, ranges);
  program.label("udp port").emit(LOAD_HALF_AT_X, 2);
  anyOf(program, udpPorts, ranges);
  program.label("icmp6").emit(LOAD_BYTE, 40).when(JUMP_EQUAL, ICMPV6.ECHO_REQUEST, "accept");
  program.jump("reject");
  return end(program);
}

/** Rejects TCP flags that are those of no probe: with ACK or RST, or, extended, RST or SYN+ACK. */
function noAnswer(program: Assembler, extended: boolean): void {
  if (!extended) program.when(JUMP_SET, Ack | Rst, "reject");
  else {program.when(JUMP_SET, Rst, "reject").emit(AND, Syn | Ack).when(
      JUMP_EQUAL,
      Syn | Ack,
      "reject",
    );}
}

function extensionsProgram(addresses: readonly OwnNetwork[]): Uint8Array<ArrayBuffer> {
  const program = new Assembler();
  startByVersion(program);
  program.label("ipv4").jump("reject").label("ipv6");
  hostAddress(program, addresses, 6, DESTINATION, "own ipv6");
  program.label("own ipv6").emit(LOAD_BYTE, 6);
  for (const header of Object.values(Extension)) program.when(JUMP_EQUAL, header, "accept");
  program.jump("reject");
  return end(program);
}

function startByVersion(program: Assembler): void {
  program.emit(LOAD_BYTE, 0).emit(AND, 0xf0)
    .when(JUMP_EQUAL, 0x40, "ipv4").when(JUMP_EQUAL, 0x60, "ipv6").jump("reject");
}

/** A first fragment passes whatever it holds: the decoder sees whether the header is whole. */
function firstFragment(program: Assembler): void {
  program.emit(LOAD_HALF, 6).when(JUMP_SET, 0x2000, "accept");
}

/** Where the addresses are in the headers (RFC 791, RFC 8200). */
const SOURCE = { 4: 12, 6: 8 } as const;
const DESTINATION = { 4: 16, 6: 24 } as const;

/** Goes to `found` when an address is one of `addresses`, and rejects the packet otherwise. */
function hostAddress(
  program: Assembler,
  addresses: readonly OwnNetwork[],
  version: 4 | 6,
  place: typeof SOURCE | typeof DESTINATION,
  found: string,
): void {
  const start = place[version];
  for (const { address, prefix } of addresses) {
    if (address.length !== (version === 4 ? 4 : 16)) continue;
    const next = program.newLabel();
    const words = new DataView(Uint8Array.from(address).buffer);
    // From the last word, in which the addresses of a host differ: most are passed over at once.
    for (let bit = Math.ceil(prefix / 32) * 32 - 32; bit >= 0; bit -= 32) {
      const mask = prefix - bit >= 32 ? 0xffff_ffff : (0xffff_ffff << (32 - (prefix - bit))) >>> 0;
      program.emit(LOAD_WORD, start + bit / 8);
      if (mask !== 0xffff_ffff) program.emit(AND, mask);
      program.unless(JUMP_EQUAL, (words.getUint32(bit / 8) & mask) >>> 0, next);
    }
    program.jump(found).label(next);
  }
  program.jump("reject");
}

/** Accepts a port of the set, which has been loaded, and rejects the rest. */
function anyOf(program: Assembler, ports: PortSet, ranges: number): void {
  for (const { first, last } of ports.covering(ranges)) {
    // In ascending order: below the first of a range is below all that follow.
    const inOrAbove = program.newLabel();
    const above = program.newLabel();
    program.when(JUMP_GREATER_OR_EQUAL, first, inOrAbove).jump("reject").label(inOrAbove);
    program.when(JUMP_GREATER, last, above).jump("accept").label(above);
  }
  program.jump("reject");
}

function end(program: Assembler): Uint8Array<ArrayBuffer> {
  return program.label("accept").emit(RETURN, ACCEPT_BYTES).label("reject").emit(RETURN, 0)
    .assemble();
}
