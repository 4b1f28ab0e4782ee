/**
 * What the kernel keeps from a packet socket: what a classic BPF program refuses (socket(7),
 * SO_ATTACH_FILTER), and what this host sends (packet(7)).
 *
 * @module
 */
import { check, libc } from "./libc.ts";

const SOL_SOCKET = 1; // <asm-generic/socket.h>
const SO_ATTACH_FILTER = 26;
const SOL_PACKET = 263; // <linux/socket.h>
const PACKET_IGNORE_OUTGOING = 23; // <linux/if_packet.h>
const INSTRUCTION_BYTES = 8; // struct sock_filter
const FPROG_BYTES = 16; // struct sock_fprog

/**
 * Puts a program into the kernel, in place of the one before.
 *
 * @param program instructions of 8 bytes
 * @throws {SystemError} when the kernel refuses it
 */
export function attachFilter(fd: number, program: Uint8Array<ArrayBuffer>): void {
  const length = BigInt(program.length);
  const memory = libc().malloc(length);
  try {
    libc().copy_out(memory, program, length);
    const fprog = new DataView(new ArrayBuffer(FPROG_BYTES));
    fprog.setUint16(0, program.length / INSTRUCTION_BYTES, true);
    fprog.setBigUint64(8, memory, true);
    check(
      libc().setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, fprog, FPROG_BYTES),
      "setsockopt(SO_ATTACH_FILTER)",
    );
  } finally {
    libc().free(memory);
  }
}

/** Keeps what this host sends out of a packet socket; kernels before 4.20 cannot. */
export function ignoreOutgoing(fd: number): void {
  libc().setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, Uint32Array.of(1), 4);
}
