/**
 * Classic BPF by hand, for hosts without libpcap: the same packets that {@link captureFilters} asks
 * libpcap for, from packets that start at the IP header.
 *
 * @module
 */
import type { PortSet } from "../config/ports.ts";
import { FILTER_PORT_RANGES } from "../limits.ts";
import { Extension } from "../packet/ip.ts";
import { Protocol } from "../packet/packet.ts";
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
const ACK_OR_RST = 0x14; // RFC 9293, section 3.1

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

/**
 * The programs of the two captures, by hand. A host with very many addresses leaves less room for
 * ports: then more ports pass than are watched, and the detector sorts them out.
 */
export function assembledFilters(
  addresses: readonly OwnNetwork[],
  tcpPorts: PortSet,
  udpPorts: PortSet,
): { headers: Uint8Array<ArrayBuffer>; extensions: Uint8Array<ArrayBuffer> } {
  let ranges = FILTER_PORT_RANGES;
  let headers = headersProgram(addresses, tcpPorts, udpPorts, ranges);
  while (headers.length > MOST_INSTRUCTIONS * INSTRUCTION_BYTES && ranges > 1) {
    ranges = Math.floor(ranges / 2);
    headers = headersProgram(addresses, tcpPorts, udpPorts, ranges);
  }
  return { headers, extensions: extensionsProgram(addresses) };
}

function headersProgram(
  addresses: readonly OwnNetwork[],
  tcpPorts: PortSet,
  udpPorts: PortSet,
  ranges: number,
): Uint8Array<ArrayBuffer> {
  const program = new Assembler();
  startByVersion(program);
  program.label("ipv4");
  ownAddress(program, addresses, 4, "own ipv4");
  program.label("own ipv4");
  program.emit(LOAD_HALF, 6).when(JUMP_SET, 0x1fff, "reject"); // a later fragment
  program.emit(LOAD_BYTE, 9)
    .when(JUMP_EQUAL, Protocol.Tcp, "tcp4").when(JUMP_EQUAL, Protocol.Udp, "udp4").jump("reject");
  program.label("tcp4");
  firstFragment(program);
  program.emit(LOAD_X_HEADER_LENGTH, 0)
    .emit(LOAD_BYTE_AT_X, 13).when(JUMP_SET, ACK_OR_RST, "reject").jump("tcp port");
  program.label("udp4");
  firstFragment(program);
  program.emit(LOAD_X_HEADER_LENGTH, 0).jump("udp port");

  program.label("ipv6");
  ownAddress(program, addresses, 6, "own ipv6");
  program.label("own ipv6").emit(SET_X, 40).emit(LOAD_BYTE, 6)
    .when(JUMP_EQUAL, Protocol.Tcp, "tcp6").when(JUMP_EQUAL, Protocol.Udp, "udp port")
    .jump("reject");
  program.label("tcp6").emit(LOAD_BYTE, 53).when(JUMP_SET, ACK_OR_RST, "reject");
  program.label("tcp port");
  portsAtX(program, tcpPorts, ranges);
  program.label("udp port");
  portsAtX(program, udpPorts, ranges);
  return end(program);
}

function extensionsProgram(addresses: readonly OwnNetwork[]): Uint8Array<ArrayBuffer> {
  const program = new Assembler();
  startByVersion(program);
  program.label("ipv4").jump("reject").label("ipv6");
  ownAddress(program, addresses, 6, "own ipv6");
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

/** Goes to `found` when the destination is one of `addresses`, and rejects the packet otherwise. */
function ownAddress(
  program: Assembler,
  addresses: readonly OwnNetwork[],
  version: 4 | 6,
  found: string,
): void {
  const start = version === 4 ? 16 : 24;
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

/** Accepts a destination port of the set, with the transport header at X, and rejects the rest. */
function portsAtX(program: Assembler, ports: PortSet, ranges: number): void {
  program.emit(LOAD_HALF_AT_X, 2);
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
