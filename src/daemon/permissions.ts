/**
 * The Deno permissions of this run: what its command line has granted, and giving back what is not
 * needed any more.
 *
 * Deno takes a grant back as a whole, and never makes a smaller one of it: a folder that holds one file
 * that is needed stays open, and so does all where all was granted.
 *
 * @module
 */
import { readSystemFile } from "../../ffi/libc.ts";
import { currentDirectory } from "../../ffi/owned_files.ts";

/** Permissions that are lists: of paths, or of addresses with ports. */
export const LISTS = ["read", "write", "net", "run", "ffi"] as const;
export type ListName = typeof LISTS[number];

/** What is still held of each: the entries of a list, or "all". */
export type Held = Record<ListName, string[] | "all">;

/** Entries, by what may be done with them. */
export type Needed = Record<"read" | "write" | "net" | "run", readonly string[]>;

const SHORT: Record<string, string> = { R: "read", W: "write", N: "net" };
const WHOLE = ["ffi", "env", "sys", "import"] as const;

/** The lists of Deno's own arguments, which stand before the program's file. */
export function grantedLists(denoArguments: readonly string[]): Record<ListName, string[]> {
  const lists: Record<ListName, string[]> = { read: [], write: [], net: [], run: [], ffi: [] };
  for (const argument of denoArguments) {
    const [, long, short, value] = /^(?:--allow-([a-z]+)|-([RWN]))=(.*)$/.exec(argument) ?? [];
    const list = lists[(long ?? SHORT[short]) as ListName];
    list?.push(...value.split(",").filter((path) => path !== ""));
  }
  return lists;
}

/** Gives back every permission but for those that cover something needed. */
export function giveBack(needed: Needed): void {
  const lists = ownLists();
  const here = currentDirectory(); // while its library can still be opened
  for (const name of WHOLE) Deno.permissions.revokeSync({ name });
  for (const name of ["run", "net"] as const) {
    if (needed[name].length === 0) Deno.permissions.revokeSync({ name });
    for (const entry of lists[name]) {
      const wanted = needed[name].some((one) => one === entry || coversHost(entry, one));
      if (!wanted) Deno.permissions.revokeSync(descriptor(name, entry));
    }
  }
  for (const name of ["read", "write"] as const) {
    const wanted = needed[name].map((path) => absolute(path, here));
    for (const path of lists[name]) {
      if (wanted.some((one) => covers(absolute(path, here), one))) continue;
      Deno.permissions.revokeSync({ name, path });
    }
  }
}

/** What this run holds now, as far as its command line or Deno can tell. */
export function heldPermissions(): Held {
  const lists = ownLists();
  const held = (name: ListName) =>
    isGranted(descriptor(name)) ? "all" : [
      ...new Set(lists[name].filter((path) => isGranted(descriptor(name, path)))),
    ];
  return {
    read: held("read"),
    write: held("write"),
    net: held("net"),
    run: held("run"),
    ffi: held("ffi"),
  };
}

/** Whether this run may write a file. */
export function mayWrite(path: string): boolean {
  return isGranted({ name: "write", path });
}

function ownLists(): Record<ListName, string[]> {
  const words = readSystemFile("/proc/self/cmdline").split("\0").slice(0, -1);
  return grantedLists(words.slice(1, words.length - Deno.args.length));
}

function descriptor(name: ListName, entry?: string): Deno.PermissionDescriptor {
  if (entry === undefined) return { name };
  if (name === "net") return { name, host: entry };
  return name === "run" ? { name, command: entry } : { name, path: entry };
}

function isGranted(descriptor: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(descriptor).state === "granted";
}

function absolute(path: string, here: string): string {
  const parts: string[] = [];
  for (const part of (path.startsWith("/") ? path : `${here}/${path}`).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function covers(granted: string, path: string): boolean {
  return granted === "/" || path === granted || path.startsWith(`${granted}/`);
}

/** Names of hosts have no case, and one without a port stands for all of its ports. */
function coversHost(granted: string, endpoint: string): boolean {
  const entry = granted.toLowerCase();
  return entry === endpoint || entry === endpoint.slice(0, endpoint.lastIndexOf(":"));
}
