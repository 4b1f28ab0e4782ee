/**
 * Classic BPF on a socket (socket(7), SO_ATTACH_FILTER): what it refuses never reaches the program.
 *
 * @module
 */
import { check, libc } from "./libc.ts";

const SOL_SOCKET = 1; // <asm-generic/socket.h>
const SO_ATTACH_FILTER = 26;
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
