/**
 * How many files and sockets this process may open: RLIMIT_NOFILE, getrlimit(2).
 *
 * @module
 */
import { check } from "./libc.ts";
import { openLibrary } from "./libraries.ts";

const SYMBOLS = {
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" }, // int resource, struct rlimit *rlim
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" }, // int resource, const struct rlimit *rlim
} as const satisfies Deno.ForeignLibraryInterface;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

const RLIMIT_NOFILE = 7; // <bits/resource.h>

// Kept open: a reload may need it when no library may be opened any more.
let opened: Library | undefined;

/**
 * Makes room for `needed` descriptors: up to the hard limit, and beyond it where CAP_SYS_RESOURCE
 * allows. A limit that is high enough stays as it is.
 *
 * @returns the limit that holds now; smaller than `needed` when it could not be raised
 * @throws {SystemError} when the limit cannot be read
 */
export function raiseDescriptorLimit(needed: number): number {
  const { getrlimit, setrlimit } = opened ??= openLibrary("libc", SYMBOLS).symbols;
  const limit = new BigUint64Array(2); // struct rlimit: soft, hard; RLIM_INFINITY is 2^64 - 1
  check(getrlimit(RLIMIT_NOFILE, limit), "getrlimit");
  const [soft, hard] = limit;
  if (soft >= needed) return Number(soft);
  const wanted = BigInt(needed);
  limit[0] = wanted;
  limit[1] = hard > wanted ? hard : wanted;
  if (setrlimit(RLIMIT_NOFILE, limit) === 0) return needed;
  return Number(hard); // what the soft limit could be raised to
}
