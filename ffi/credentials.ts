/**
 * Who this process is to the kernel, and how it becomes less: credentials(7), capabilities(7).
 *
 * The kernel keeps credentials for each thread, and only the calling one can change its own. A runtime
 * has threads that nobody here can reach, so what is to hold for the process is followed by execve(2),
 * which leaves the calling thread as the only one.
 *
 * @module
 */
import { check, readSystemFile, stringArray, toCString } from "./libc.ts";
import { openLibrary } from "./libraries.ts";

const SYMBOLS = {
  // By number: glibc's setresuid(3) and its like would change every thread, which is not wanted here.
  syscall: { parameters: ["i64", "i64", "i64", "i64"], result: "i64" }, // long number, …
  syscall_buffer: { name: "syscall", parameters: ["i64", "i64", "buffer"], result: "i64" },
  prctl: { parameters: ["i32", "u64", "u64", "u64", "u64"], result: "i32" }, // int option, unsigned long …
  capset: { parameters: ["buffer", "buffer"], result: "i32" }, // cap_user_header_t, const cap_user_data_t
  execve: { parameters: ["buffer", "usize", "usize"], result: "i32" }, // const char *path, char *const argv[], char *const envp[]
  getpwnam_r: { // const char *name, struct passwd *pwd, char *buf, size_t buflen, struct passwd **result
    parameters: ["buffer", "buffer", "buffer", "usize", "buffer"],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

// <asm/unistd.h>
const ARM = Deno.build.arch === "aarch64";
const SYS_SETGROUPS = ARM ? 159n : 116n;
const SYS_SETRESUID = ARM ? 147n : 117n;
const SYS_SETRESGID = ARM ? 149n : 119n;

// <linux/prctl.h>
const PR_SET_KEEPCAPS = 8;
const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_RAISE = 2n;
const PR_CAP_AMBIENT_CLEAR_ALL = 4n;

const LINUX_CAPABILITY_VERSION_3 = 0x20080522; // <linux/capability.h>
const UID_OFFSET = 16; // struct passwd, <pwd.h>: two pointers, then uid and gid
const PASSWD_BYTES = 48;
const NAMES_BYTES = 16_384;

/** Capabilities this program has to do with, by their numbers in `<linux/capability.h>`. */
export const Capability = {
  CAP_CHOWN: 0,
  CAP_DAC_OVERRIDE: 1,
  CAP_FOWNER: 3,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_SETPCAP: 8,
  CAP_NET_BIND_SERVICE: 10,
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
} as const;
export type Capability = keyof typeof Capability;

/** A user, as it is to be taken on. */
export interface User {
  name: string;
  uid: number;
  gid: number;
}

/** What /proc says of a thread; sets of capabilities have a bit for each. */
export interface Credentials {
  uid: number;
  gid: number;
  groups: number[];
  permitted: bigint;
  effective: bigint;
  bounding: bigint;
  noNewPrivileges: boolean;
}

let opened: Library | undefined;

function library(): Library {
  return opened ??= openLibrary("libc", SYMBOLS).symbols;
}

/**
 * The user of a name, from wherever this system keeps them; undefined when there is none.
 *
 * @throws {SystemError} when it cannot be asked
 */
export function findUser(name: string): User | undefined {
  const entry = new Uint8Array(PASSWD_BYTES);
  const names = new Uint8Array(NAMES_BYTES);
  const found = new BigUint64Array(1);
  library().getpwnam_r(toCString(name), entry, names, BigInt(NAMES_BYTES), found);
  if (found[0] === 0n) return undefined;
  const view = new DataView(entry.buffer);
  return {
    name,
    uid: view.getUint32(UID_OFFSET, true),
    gid: view.getUint32(UID_OFFSET + 4, true),
  };
}

/** What the calling thread is. @throws {SystemError} without /proc */
export function credentials(): Credentials {
  return parseCredentials(readSystemFile("/proc/thread-self/status"));
}

/** What a status file of /proc says: proc_pid_status(5). */
export function parseCredentials(status: string): Credentials {
  const words = (name: string) =>
    (new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(status)?.[1] ?? "").split(/\s+/).filter(Boolean);
  const set = (name: string) => BigInt(`0x${/^[\da-f]+$/i.exec(words(name)[0])?.[0] ?? "0"}`);
  return {
    uid: Number(words("Uid")[1]), // real, effective, saved, of files
    gid: Number(words("Gid")[1]),
    groups: words("Groups").map(Number),
    permitted: set("CapPrm"),
    effective: set("CapEff"),
    bounding: set("CapBnd"),
    noNewPrivileges: words("NoNewPrivs")[0] === "1",
  };
}

/** A set of these capabilities, as {@link Credentials} has it. */
export function capabilitySet(names: readonly Capability[]): bigint {
  return names.reduce((set, name) => set | 1n << BigInt(Capability[name]), 0n);
}

/**
 * Does something with the rights of a user and none of root's, on this thread. Only what runs on it at
 * once may be done in there: system calls, and nothing that waits.
 *
 * @throws {SystemError} when this process may not act as that user, and whatever `act` throws
 */
export function asUser<T>({ uid, gid }: User, act: () => T): T {
  const before = credentials();
  setGroups([]);
  try {
    setIds(SYS_SETRESGID, gid, before.gid);
    // The saved user stays: by it the way back is open, and the permitted capabilities are kept.
    setIds(SYS_SETRESUID, uid, before.uid);
    try {
      return act();
    } finally {
      setIds(SYS_SETRESUID, before.uid, before.uid);
    }
  } finally {
    setIds(SYS_SETRESGID, before.gid, before.gid);
    setGroups(before.groups);
  }
}

/** How a process is to go on. */
export interface Successor {
  user: User;
  capabilities: readonly Capability[];
  /** The program's file, its arguments with its own name first, and its environment. */
  path: string;
  args: readonly string[];
  env: readonly string[];
}

/**
 * Becomes another program in this same process, as a user, with some capabilities that neither it nor
 * any program it starts can ever add to: no_new_privs(7), and an empty bounding set. Descriptors that
 * are not to be closed stay open.
 *
 * @throws {SystemError} when that fails: then this thread may have lost rights already, and the process
 *   can only end
 */
export function becomeProgram({ user, capabilities, path, args, env }: Successor): never {
  const { prctl, execve } = library();
  const wanted = capabilitySet(capabilities);
  const { permitted } = credentials();
  // Nothing outside the bounding set can become inheritable, so that comes first.
  setCapabilities(permitted, permitted, wanted);
  for (let capability = 0n; prctl(PR_CAPBSET_DROP, capability, 0n, 0n, 0n) === 0;) capability++;
  check(prctl(PR_SET_KEEPCAPS, 1n, 0n, 0n, 0n), "prctl(PR_SET_KEEPCAPS)");
  setGroups([]);
  setIds(SYS_SETRESGID, user.gid, user.gid);
  setIds(SYS_SETRESUID, user.uid, user.uid);
  setCapabilities(wanted, wanted, wanted);
  check(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0n, 0n, 0n), "prctl(PR_CAP_AMBIENT)");
  for (const name of capabilities) {
    const number = BigInt(Capability[name]);
    check(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0n, 0n), `prctl(${name})`);
  }
  check(prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n), "prctl(PR_SET_NO_NEW_PRIVS)");
  check(execve(toCString(path), stringArray(args), stringArray(env)), `execve(${path})`);
  throw new Error(`execve(${path}) has returned`);
}

function setCapabilities(permitted: bigint, effective: bigint, inheritable: bigint): void {
  const header = new Uint32Array([LINUX_CAPABILITY_VERSION_3, 0]); // of the calling thread
  const low = [effective, permitted, inheritable].map((set) => Number(set & 0xffff_ffffn));
  const high = [effective, permitted, inheritable].map((set) => Number(set >> 32n));
  check(library().capset(header, new Uint32Array([...low, ...high])), "capset");
}

/** @param saved what to keep as the saved id: with another one than `id` the way back stays open */
function setIds(call: bigint, id: number, saved: number): void {
  const name = call === SYS_SETRESUID ? "setresuid" : "setresgid";
  check(library().syscall(call, BigInt(id), BigInt(id), BigInt(saved)), name);
}

function setGroups(groups: readonly number[]): void {
  const list = new Uint32Array(Math.max(1, groups.length));
  list.set(groups);
  check(library().syscall_buffer(SYS_SETGROUPS, BigInt(groups.length), list), "setgroups");
}
