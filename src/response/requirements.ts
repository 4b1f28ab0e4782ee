/**
 * What a configuration needs of this run: asked at the start, not at the first attack.
 *
 * @module
 */
import { BlockMode, type Config } from "../config/config.ts";
import { formatEndpoint } from "../config/endpoint.ts";
import { StartError } from "../config/fault.ts";
import { SHELL } from "./command.ts";
import { HOSTS_DENY, HOSTS_DENY_NEW } from "./hosts_deny.ts";

/** A Deno permission, and the key that needs it. */
interface Requirement {
  key: string;
  flag: string;
  descriptor: Deno.PermissionDescriptor;
}

const RUN_SHELL = {
  flag: `--allow-run=${SHELL}`,
  descriptor: { name: "run", command: SHELL },
} as const;

/** @throws {StartError} with a line for each permission that this run lacks */
export function requirePermissions(config: Config): void {
  const lacking = lackingPermissions(config);
  if (lacking.length === 0) return;
  throw new StartError(lacking.map((message) => ({ where: config.file, line: 0, message })));
}

/** A line for each Deno permission that a configuration needs and this run lacks. */
export function lackingPermissions(config: Config): string[] {
  return [...network(config), ...responses(config)].filter(({ descriptor }) =>
    Deno.permissions.querySync(descriptor).state !== "granted"
  ).map(({ key, flag }) => `${key} needs a Deno permission that this run lacks: ${flag}`);
}

function network({ metrics, notifyTargets = [] }: Config): Requirement[] {
  return [
    ...(metrics ? [netRequirement("METRICS", formatEndpoint(metrics))] : []),
    ...notifyTargets.map(({ endpoint }) => netRequirement("NOTIFY_URL", endpoint)),
  ];
}

function netRequirement(key: string, host: string): Requirement {
  return { key, flag: `--allow-net=${host}`, descriptor: { name: "net", host } };
}

function responses(config: Config): Requirement[] {
  if (config.dryRun) return [];
  const modes = [config.blockTcp, config.blockUdp];
  const blocks = modes.includes(BlockMode.Block);
  const runs = blocks || modes.includes(BlockMode.RunCommand);
  return [
    ...(runs && config.killRunCmd !== undefined ? [{ key: "KILL_RUN_CMD", ...RUN_SHELL }] : []),
    ...(blocks && config.killRoute !== undefined ? [{ key: "KILL_ROUTE", ...RUN_SHELL }] : []),
    ...(blocks && config.killHostsDeny !== undefined ? hostsDeny() : []),
  ];
}

function hostsDeny(): Requirement[] {
  return [HOSTS_DENY, HOSTS_DENY_NEW].flatMap((path) =>
    (["read", "write"] as const).map((name) => ({
      key: "KILL_HOSTS_DENY",
      flag: `--allow-${name}=${path}`,
      descriptor: { name, path },
    }))
  );
}
