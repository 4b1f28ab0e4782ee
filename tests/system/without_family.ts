/**
 * Runs a command in a world without an address family, `deno run -A without_family.ts FAMILY COMMAND
 * ARGUMENT…`: 10 for IPv6, 16 for netlink. A seccomp(2) filter lets socket(FAMILY, …) fail as a kernel
 * without the family does.
 *
 * @module
 */
const PR_SET_NO_NEW_PRIVS = 38; // <linux/prctl.h>
const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2n; // <linux/seccomp.h>
const RET_ALLOW = 0x7fff0000;
const RET_EAFNOSUPPORT = 0x00050000 | 97; // SECCOMP_RET_ERRNO
const SYS_SOCKET = Deno.build.arch === "x86_64" ? 41 : 198; // <asm/unistd.h>
const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_IF_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K

const [family, ...command] = Deno.args;

/** struct seccomp_data begins with the call's number; its first argument stands at byte 16. */
const PROGRAM: [code: number, yes: number, no: number, value: number][] = [
  [LOAD, 0, 0, 0],
  [JUMP_IF_EQUAL, 0, 3, SYS_SOCKET],
  [LOAD, 0, 0, 16],
  [JUMP_IF_EQUAL, 0, 1, Number(family)],
  [RETURN, 0, 0, RET_EAFNOSUPPORT],
  [RETURN, 0, 0, RET_ALLOW],
];

const { symbols } = Deno.dlopen(`/lib/${Deno.build.arch}-linux-gnu/libc.so.6`, {
  prctl: { parameters: ["i32", "u64", "buffer", "u64", "u64"], result: "i32" },
  execv: { parameters: ["buffer", "buffer"], result: "i32" },
});

function pointer(bytes: ArrayBufferView<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
}

const filter = new DataView(new ArrayBuffer(PROGRAM.length * 8)); // struct sock_filter
PROGRAM.forEach(([code, yes, no, value], i) => {
  filter.setUint16(i * 8, code, true);
  filter.setUint8(i * 8 + 2, yes);
  filter.setUint8(i * 8 + 3, no);
  filter.setUint32(i * 8 + 4, value, true);
});
const program = new BigUint64Array([BigInt(PROGRAM.length), pointer(filter)]); // struct sock_fprog
if (
  symbols.prctl(PR_SET_NO_NEW_PRIVS, 1n, null, 0n, 0n) < 0 ||
  symbols.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0n, 0n) < 0
) throw new Error("no seccomp filter");

// The filter is this thread's, and goes with it into the new program.
const words = command.map((word) => new TextEncoder().encode(`${word}\0`));
symbols.execv(words[0], new BigUint64Array([...words.map(pointer), 0n]));
throw new Error(`${command[0]} cannot be run`);
