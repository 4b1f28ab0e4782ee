/**
 * What the start would say of the files that a configuration names, seen without making or changing
 * any of them.
 *
 * @module
 */
import { dirname } from "node:path";
import { credentials, findUser } from "../ffi/credentials.ts";
import { mayAccess } from "../ffi/owned_files.ts";
import type { Config } from "./config/config.ts";
import type { Fault } from "./config/fault.ts";
import { codeOf } from "./config/load.ts";
import { isSocket } from "./daemon/control_server.ts";
import { UnknownUser } from "./daemon/drop.ts";
import { mayWrite } from "./daemon/permissions.ts";
import { refuseFifo } from "./files.ts";
import { unknownUserFault } from "./privileged_run.ts";
import { fileFault, IN_VAIN, stateFileOf } from "./resources.ts";
import { BlockedSet } from "./response/blocked_set.ts";
import { isDamaged, readDatabase } from "./state/database.ts";

/** What keeps a run with this configuration from starting. */
export function foreseenFaults(config: Config): Fault[] {
  const { runAs, historyFile, blockedFile, controlSocket } = config;
  const unknown = runAs !== undefined && !findUser(runAs);
  return [
    ...(unknown ? [unknownUserFault(config, new UnknownUser(runAs))] : []),
    ...foreseen(historyFile, IN_VAIN.history, tryToAppend),
    ...foreseen(blockedFile, IN_VAIN.blocked, (path) => {
      refuseFifo(path);
      BlockedSet.open(path).close();
    }),
    ...foreseen(controlSocket, IN_VAIN.control, (path) => {
      requirePermission(path);
      if (!isSocket(path)) requireFolder(path);
    }),
  ];
}

/** What is no reason not to watch, and would be told. */
export function foreseenWarnings(config: Config): Fault[] {
  return foreseen(stateFileOf(config), "Cannot use it as STATE_FILE: ", tryState);
}

/** What an attempt fails with; rights that this user lacks are root's to have. */
function foreseen(
  path: string | undefined,
  what: string,
  attempt: (path: string) => void,
): Fault[] {
  if (path === undefined) return [];
  try {
    attempt(path);
  } catch (error) {
    const denied = ["EACCES", "EPERM"].includes(codeOf(error) ?? "");
    if (!denied || credentials().uid === 0) return fileFault(path, what, error).faults;
  }
  return [];
}

function tryToAppend(path: string): void {
  refuseFifo(path);
  try {
    Deno.openSync(path, { append: true }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    requireFolder(path);
  }
}

function tryState(path: string): void {
  requirePermission(path);
  try {
    Deno.statSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return requireFolder(path);
  }
  try {
    readDatabase(path, 0).database.close();
  } catch (error) {
    if (!isDamaged(error)) throw error;
    throw new Error("it is damaged: the start sets it aside, and begins a new one");
  }
  if (cannotChange(path)) throw new Error("it cannot be written");
}

/** Deno is not asked by what the C library does, and here not at all. */
function requirePermission(path: string): void {
  if (!mayWrite(path)) throw new Deno.errors.NotCapable(path);
}

/** A file that is not there is made, with its folders: in the first that is there. */
function requireFolder(path: string): void {
  const folder = dirname(path);
  if (!mayAccess(folder, [])) {
    if (folder !== path) requireFolder(folder);
  } else if (!mayAccess(`${folder}/`, [])) {
    throw new Error(`${folder} is no folder`);
  } else if (cannotChange(folder)) {
    throw new Error(`nothing can be made in ${folder}`);
  }
}

/** Where root may not write, nobody may: the file system is read-only, for one. */
function cannotChange(path: string): boolean {
  return credentials().uid === 0 && !mayAccess(path, ["write"]);
}
