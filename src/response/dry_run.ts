/**
 * DRY_RUN: what would be done about a host is told, and nothing is done.
 *
 * @module
 */
import { BlockMode, type Config } from "../config/config.ts";
import { formatDuration } from "../config/duration.ts";
import type { ScanEvent } from "../event/scan_event.ts";
import { DRY_RUN_HOSTS } from "../limits.ts";
import { fillIn } from "./command.ts";

/** Tells once for each host, as a host that is really blocked would be blocked once. */
export class DryRun {
  readonly #told = new Set<string>();

  /** What would be done about an event now; empty when it would have been done before. */
  linesFor(event: ScanEvent, config: Config): string[] {
    if (this.#told.has(event.source)) return [];
    if (this.#told.size >= DRY_RUN_HOSTS) this.#told.clear();
    this.#told.add(event.source);
    return actions(event, config).map((action) => `attackalert: DRY_RUN: would ${action}`);
  }
}

function actions(event: ScanEvent, config: Config): string[] {
  const mode = event.protocol === "TCP" ? config.blockTcp : config.blockUdp;
  const { killRunCmd, killHostsDeny, killRoute, killRunCmdFirst, firewall } = config;
  const host = event.source;
  const run = killRunCmd === undefined
    ? []
    : [`run for host ${host} the command: "${fillIn(killRunCmd, event)}"`];
  if (mode !== BlockMode.Block) return run;
  const block = [
    ...(firewall === undefined ? [] : [`block host ${host} via nftables ${timeOf(config)}`]),
    ...(killHostsDeny === undefined
      ? []
      : [`block host ${host} via wrappers with string: "${fillIn(killHostsDeny, event)}"`]),
    ...(killRoute === undefined
      ? []
      : [`block host ${host} via dropped route using command: "${fillIn(killRoute, event)}"`]),
  ];
  return killRunCmdFirst ? [...run, ...block] : [...block, ...run];
}

function timeOf({ blockTimeS }: Config): string {
  return blockTimeS === 0 ? "until it is unblocked" : `for ${formatDuration(blockTimeS)}`;
}
