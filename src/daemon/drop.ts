/**
 * Giving up root: the program starts itself anew in the same process, as another user and with the few
 * capabilities that its configuration needs.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import {
  asUser,
  becomeProgram,
  type Capability,
  capabilitySet,
  credentials,
  findUser,
  type User,
} from "../../ffi/credentials.ts";
import { readSystemFile } from "../../ffi/libc.ts";
import { mayAccess } from "../../ffi/owned_files.ts";
import { DEFAULT_USER } from "../limits.ts";
import { handOver, type OwnFiles } from "./hand_over.ts";
import type { Privileges } from "./privileges.ts";

/** What giving up root needs to know of a run. */
export interface DropPlan {
  privileges: Privileges;
  /** RUN_AS, when it is set. */
  runAs: string | undefined;
  /** Files the program reads again when it is told to. */
  read: readonly string[];
  write: OwnFiles;
  /** Files it would like to write, and goes without. */
  wished: OwnFiles;
}

/** Why the program goes on as it is, and how loudly that is to be told. */
export interface Kept {
  level: "error" | "notice" | "verbose";
  text: string;
}

/** RUN_AS names nobody. */
export class UnknownUser extends Error {
  override name = "UnknownUser";
  constructor(user: string) {
    super(`there is no user "${user}"`);
  }
}

const ROOT: User = { name: "root", uid: 0, gid: 0 };

/** What it takes to become less. */
const TO_DROP: readonly Capability[] = ["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"];

/** All that is left of root's environment, which may hold what is nobody's business. */
const KEPT_VARIABLES =
  /^(?:LANG|LC_\w+|TZ|NO_COLOR|DENO_(?:DIR|LOG|NO_\w+|V8_FLAGS|TLS_CA_STORE|CERT)|SSL_CERT_(?:FILE|DIR)|NOTIFY_SOCKET|WATCHDOG_\w+)=/;

/**
 * Becomes what the plan says, if that is less than what this process is. Then it does not return: the
 * program starts again from its first line, as a user who is not root.
 *
 * @returns why nothing has been given up
 * @throws {UnknownUser}
 * @throws {SystemError} when it has failed half-way: the process can only end
 */
export function dropPrivileges(plan: DropPlan): Kept {
  const { privileges, runAs } = plan;
  const now = credentials();
  const user = findUser(runAs ?? DEFAULT_USER);
  if (runAs !== undefined && !user) throw new UnknownUser(runAs);
  if (now.uid !== ROOT.uid) return asStarted(user, runAs, now.uid);
  if (!user) return { level: "verbose", text: `Root is kept: there is no user ${DEFAULT_USER}` };
  if (user.uid === ROOT.uid) return { level: "verbose", text: 'Root is kept: RUN_AS="root"' };
  const { rootFor, identity, capabilities } = privileges;
  if (capabilities === "all") return { level: "notice", text: `Root is kept: ${rootFor}` };
  const wanted = capabilitySet(capabilities);
  if (identity === "root" && now.noNewPrivileges && (now.permitted & ~wanted) === 0n) {
    const text = `Root is kept, with ${capabilities.join(", ")} alone: ${rootFor}`;
    return { level: "notice", text };
  }
  // Whoever has started it with less has chosen what it may do.
  const missing = missingToDrop();
  if (missing !== undefined) return { level: "notice", text: `Root is kept: ${missing}` };
  const reasons = obstacles(plan, identity === "root" ? ROOT : user, false);
  if (reasons.length > 0) return { level: "error", text: `Root is kept: ${reasons.join("; ")}` };
  return becomeProgram({
    user: identity === "root" ? ROOT : user,
    // What a container does not have cannot be kept: whoever needs it tells.
    capabilities: capabilities.filter((name) => (now.permitted & capabilitySet([name])) !== 0n),
    path: Deno.execPath(),
    args: commandLine(),
    env: environment(),
  });
}

/**
 * Why {@link dropPrivileges} would keep root, although the plan needs it not: undefined when it would
 * not, or when this process is not root's. Nothing is changed.
 */
export function foreseeKept(plan: DropPlan, user: User): string | undefined {
  if (credentials().uid !== ROOT.uid) return undefined;
  const missing = missingToDrop();
  if (missing !== undefined) return missing;
  const reasons = obstacles(plan, user, true);
  return reasons.length > 0 ? reasons.join("; ") : undefined;
}

function missingToDrop(): string | undefined {
  const { effective } = credentials();
  const missing = TO_DROP.filter((name) => (effective & capabilitySet([name])) === 0n);
  return missing.length > 0 ? `this process lacks ${missing.join(", ")}` : undefined;
}

function asStarted(user: User | undefined, runAs: string | undefined, uid: number): Kept {
  if (runAs === undefined || user?.uid === uid) return { level: "verbose", text: "" };
  return { level: "error", text: `RUN_AS="${runAs}" has no effect: only root can become a user` };
}

/** Why a user could not go on with this run; what can be made right is, unless this is a trial. */
function obstacles({ read, write, wished }: DropPlan, user: User, trial: boolean): string[] {
  if (user.uid === ROOT.uid) return [];
  // What stands in /proc/self/environ is not for the user to read.
  const program = programFiles();
  const unreadable = asUser(
    user,
    () => [
      ...program.filter(({ path, execute }) =>
        !mayAccess(path, execute ? ["read", "execute"] : ["read"])
      ).map(({ path }) => path),
      ...read.filter((path) => !mayAccess(path, ["read"])),
    ],
  );
  if (unreadable.length > 0) return [`user ${user.name} cannot read ${unreadable.join(", ")}`];
  if (!trial) handOver(wished, user);
  return handOver(write, user, trial);
}

/** Files and folders without which the program does not start. */
function programFiles(): { path: string; execute: boolean }[] {
  const words = commandLine();
  const runtime = { path: Deno.execPath(), execute: true };
  const script = words[words.length - Deno.args.length - 1];
  if (words.length === Deno.args.length + 1) return [runtime]; // all of it is in one file
  const main = script.startsWith("file:") ? fileURLToPath(script) : script;
  const here = fileURLToPath(import.meta.url);
  const bundled = here === main || here.endsWith(`/${main.replace(/^\.\//, "")}`);
  return [
    runtime,
    { path: main, execute: false },
    ...(bundled
      ? []
      : [{ path: here, execute: false }, { path: `${moduleCache()}/npm`, execute: true }]),
  ];
}

function commandLine(): string[] {
  return readSystemFile("/proc/self/cmdline").split("\0").slice(0, -1);
}

function variables(): string[] {
  return readSystemFile("/proc/self/environ").split("\0").filter((entry) => entry !== "");
}

/** Where Deno keeps modules: the next start is to find them there, whoever's home it is. */
function moduleCache(): string {
  const value = (name: string) =>
    variables().find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1) || undefined;
  const cache = value("XDG_CACHE_HOME") ?? `${value("HOME") ?? "/root"}/.cache`;
  return value("DENO_DIR") ?? `${cache}/deno`;
}

function environment(): string[] {
  const kept = variables().filter((entry) => KEPT_VARIABLES.test(entry));
  const named = kept.some((entry) => entry.startsWith("DENO_DIR="));
  return named ? kept : [...kept, `DENO_DIR=${moduleCache()}`];
}
