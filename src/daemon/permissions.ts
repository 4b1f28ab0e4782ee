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

/** Permissions that are lists of paths. */
export const LISTS = ["read", "write", "run", "ffi"] as const;
export type ListName = typeof LISTS[number];

/** What is still held of each: paths, or "all". */
export type Held = Record<ListName, string[] | "all">;

/** Paths, by what may be done with them. */
export type Needed = Record<"read" | "write" | "run", readonly string[]> & {
  /** Whether anybody is served over the network. */
  net: boolean;
};

const SHORT: Record<string, string> = { R: "read", W: "write" };
const WHOLE = ["ffi", "env", "sys", "import"] as const;

/** The lists of Deno's own arguments, which stand before the program's file. */
export function grantedLists(denoArguments: readonly string[]): Record<ListName, string[]> {
  const lists: Record<ListName, string[]> = { read: [], write: [], run: [], ffi: [] };
  for (const argument of denoArguments) {
    const [, long, short, value] = /^(?:--allow-([a-z]+)|-([RW]))=(.*)$/.exec(argument) ?? [];
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
  if (!needed.net) Deno.permissions.revokeSync({ name: "net" });
  if (needed.run.length === 0) Deno.permissions.revokeSync({ name: "run" });
  for (const path of lists.run) {
    if (!needed.run.includes(path)) Deno.permissions.revokeSync({ name: "run", command: path });
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
  return { read: held("read"), write: held("write"), run: held("run"), ffi: held("ffi") };
}

/** Whether this run may write a file. */
export function mayWrite(path: string): boolean {
  return isGranted({ name: "write", path });
}

function ownLists(): Record<ListName, string[]> {
  const words = readSystemFile("/proc/self/cmdline").split("\0").slice(0, -1);
  return grantedLists(words.slice(1, words.length - Deno.args.length));
}

function descriptor(name: ListName, path?: string): Deno.PermissionDescriptor {
  if (path === undefined) return { name };
  return name === "run" ? { name, command: path } : { name, path };
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
