/**
 * `portsentry check`: the configuration, and what a run with it would watch, do and need.
 *
 * @module
 */
import type { CommandResult } from "./commands.ts";
import { BlockMode, type Config } from "./config/config.ts";
import { formatDuration } from "./config/duration.ts";
import { formatEndpoint } from "./config/endpoint.ts";
import { formatFault, StartError } from "./config/fault.ts";
import { loadSettings, type Settings } from "./config/load.ts";
import { foreseenFaults, foreseenWarnings } from "./foreseen_faults.ts";
import { DEFAULT_CONTROL_SOCKET } from "./limits.ts";
import { describeTargets } from "./notify/notifier.ts";
import { describePermissions, describePlan } from "./privileges_text.ts";
import type { Run } from "./privileged_run.ts";
import { stateFileOf } from "./resources.ts";
import { lackingPermissions } from "./response/requirements.ts";
import { listInterfaces, selectInterfaces } from "./sentry/interfaces.ts";
import { describeTarget } from "./sentry/stealth_sentry.ts";
import { jsonText, table } from "./text.ts";

/** No option changes what is checked. */
const RUN: Run = { mode: "stealth", pidFile: undefined };

/** @throws {StartError} with the faults, unless they are to be JSON */
export function checkConfiguration(configFile: string, json: boolean): CommandResult {
  let settings: Settings;
  try {
    settings = loadSettings(configFile);
    const faults = foreseenFaults(settings.config);
    if (faults.length > 0) throw new StartError(faults);
  } catch (error) {
    if (!json || !(error instanceof StartError)) throw error;
    const report = { ok: false, faults: error.faults.map(formatFault) };
    return { text: `${jsonText(report)}\n`, status: 1 };
  }
  const all = [...settings.warnings, ...foreseenWarnings(settings.config)];
  const report = { ok: true, warnings: all.map(formatFault), ...factsOf(settings) };
  if (json) return { text: `${jsonText(report)}\n`, status: 0 };
  const { ok: _, warnings, ...facts } = report;
  const rows = Object.entries(facts).flatMap(([name, value]) =>
    [value].flat().map((text, i) => [i === 0 ? name.replaceAll("_", " ") : "", String(text)])
  );
  const told = warnings.map((text) => `warning: ${text}\n`).join("");
  return { text: `${told}${table(rows)}configuration OK\n`, status: 0 };
}

function factsOf({ config }: Settings): Record<string, string | string[]> {
  const { targets, skipped } = selectInterfaces([], listInterfaces());
  const lacking = lackingPermissions(config);
  return {
    configuration: config.file,
    TCP_ports: config.tcpPorts.size > 0 ? String(config.tcpPorts) : "none",
    UDP_ports: config.udpPorts.size > 0 ? String(config.udpPorts) : "none",
    would_watch: targets.length > 0 ? targets.map(describeTarget) : ["nothing yet"],
    not_yet: skipped.length > 0 ? skipped : ["nothing"],
    TCP_probes: responsesOf(config, config.blockTcp),
    UDP_probes: responsesOf(config, config.blockUdp),
    ...(config.detect === "extended" && {
      probes_too: "segments with ACK that belong to no connection; pings, which are logged only",
    }),
    trigger: triggerOf(config),
    never_acted_on: [
      ...(config.ignoreFile === undefined ? [] : [`what ${config.ignoreFile} names`]),
      ...(config.lockoutGuard
        ? [
          `this host's addresses, gateways, name servers${
            config.notifyTargets ? ", hosts of NOTIFY_URL" : ""
          } and TCP peers of its services`,
        ]
        : ["LOCKOUT_GUARD is off: only what the ignore file names"]),
    ],
    history_file: config.historyFile ?? "none",
    blocked_file: config.blockedFile ?? "none",
    state_file: stateFileOf(config) ?? "none",
    control_socket: config.controlSocket ?? DEFAULT_CONTROL_SOCKET,
    metrics: config.metrics ? `http://${formatEndpoint(config.metrics)}/metrics` : "none",
    notifications: config.notifyTargets
      ? describeTargets(config).map((text) =>
        `${text}, one a source in ${formatDuration(config.notifyWindowS)}`
      )
      : "none",
    runs_as: describePlan(config, RUN),
    Deno_keeps: describePermissions(config, RUN),
    permissions: lacking.length === 0
      ? "all that it needs"
      : lacking.map((text) => `lacking: ${text}`),
  };
}

function responsesOf(config: Config, mode: BlockMode): string[] {
  if (mode === BlockMode.LogOnly) return ["are logged"];
  const { killRoute, killHostsDeny, killRunCmd } = config;
  const time = config.blockTimeS === 0
    ? "until they are unblocked"
    : `for ${formatDuration(config.blockTimeS)}`;
  const block = mode !== BlockMode.Block ? [] : [
    ...(config.firewall ? [`block their hosts via nftables ${time}`] : []),
    ...(killHostsDeny === undefined ? [] : [`write to hosts.deny: ${killHostsDeny}`]),
    ...(killRoute === undefined ? [] : [`run KILL_ROUTE: ${killRoute}`]),
  ];
  const run = killRunCmd === undefined ? [] : [`run KILL_RUN_CMD: ${killRunCmd}`];
  const all = config.killRunCmdFirst ? [...run, ...block] : [...block, ...run];
  return config.dryRun ? all.map((text) => `would ${text} (DRY_RUN)`) : all;
}

function triggerOf(config: Config): string {
  const { scanTrigger, scanTriggerPorts, scanTriggerWindowS } = config;
  const window = scanTriggerWindowS === undefined
    ? ""
    : ` within ${formatDuration(scanTriggerWindowS)}`;
  if (scanTriggerPorts > 0) return `the port number ${scanTriggerPorts} of a host${window}`;
  return scanTrigger > 1 ? `the packet number ${scanTrigger} of a host${window}` : "every packet";
}
