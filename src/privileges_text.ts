/**
 * Privileges as people read them: in `portsentry status` and `portsentry check`.
 *
 * @module
 */
import { findUser } from "../ffi/credentials.ts";
import type { Config } from "./config/config.ts";
import { LISTS } from "./daemon/permissions.ts";
import { privilegesFor } from "./daemon/privileges.ts";
import { DEFAULT_USER } from "./limits.ts";
import {
  factsOf,
  foreseeRoot,
  type HeldPrivileges,
  keptPermissions,
  type Run,
} from "./privileged_run.ts";

/** What a running program holds. */
export function privilegeRows(held: HeldPrivileges): [string, string][] {
  const { user, group, groups, capabilities, boundingSet, noNewPrivileges, deno } = held;
  const final = noNewPrivileges && boundingSet.length === 0;
  const others = groups.filter((one) => one !== group);
  return [
    [
      "runs as",
      `user ${user}, group ${group}` + (others.length > 0 ? ` and ${others.join(", ")}` : ""),
    ],
    ["capabilities", `${summaryOf(capabilities)}${final ? ", and never any other" : ""}`],
    ...LISTS.map((name): [string, string] => {
      const list = deno[name];
      return [`Deno may ${VERBS[name]}`, list === "all" ? "anything" : listed(list, "nothing")];
    }),
  ];
}

/** What a run with this configuration would hold once it watches, when root has started it. */
export function describePlan(config: Config, run: Run): string {
  const { identity, capabilities, rootFor } = privilegesFor(factsOf(config, run.mode));
  const name = config.runAs ?? DEFAULT_USER;
  const root = "root, with all capabilities";
  if (name === "root") return `${root}: RUN_AS="root"`;
  const user = findUser(name);
  if (!user) return `${root}: there is no user ${name}`;
  const kept = identity === "root" ? undefined : foreseeRoot(run, config, user);
  if (kept !== undefined) return `${root}: ${kept}`;
  const names = capabilities === "all" ? "all capabilities" : listed(capabilities, "nothing");
  return identity === "root"
    ? `root, with ${names}: ${rootFor}`
    : `user ${name}, with ${names} of root's rights`;
}

/** What Deno may still be asked for in such a run. */
export function describePermissions(config: Config, run: Run): string[] {
  const kept = keptPermissions(run, config);
  return (["read", "write", "net", "run"] as const).filter((name) => kept[name].length > 0)
    .map((name) => `to ${VERBS[name]}: ${kept[name].filter(isNamed).join(", ")}`);
}

/** What SQLite has beside a database goes without saying. */
function isNamed(entry: string, _: number, all: readonly string[]): boolean {
  const base = entry.replace(/-(?:wal|shm|journal)$/, "");
  return base === entry || !all.includes(base);
}

const VERBS = {
  read: "read",
  write: "write",
  net: "use",
  run: "run",
  ffi: "load",
} as const;
const MANY = 30;

function summaryOf(capabilities: readonly string[]): string {
  return capabilities.length > MANY ? "all, or nearly" : listed(capabilities, "none");
}

function listed(words: readonly string[], none: string): string {
  return words.length === 0 ? none : words.join(", ");
}
