/**
 * What the commands do and print: they ask the running program, or check the configuration for it.
 *
 * @module
 */
import type { CommandAction, CommandRequest } from "./cli_commands.ts";
import { checkConfiguration } from "./check.ts";
import { formatDuration } from "./config/duration.ts";
import { controlSocketOf } from "./config/load.ts";
import type { HeldPrivileges } from "./privileged_run.ts";
import { privilegeRows } from "./privileges_text.ts";
import { ask, understood } from "./daemon/control_client.ts";
import { DEFAULT_CONTROL_SOCKET } from "./limits.ts";
import type { BlockRecord } from "./state/state_file.ts";
import { escapeControls, jsonText, table } from "./text.ts";

/** What a command prints, and its exit status. */
export interface CommandResult {
  text: string;
  status: 0 | 1;
}

/**
 * Does a command.
 *
 * @throws {ControlFailure} in words for the user, when nobody is running or it refuses
 */
export async function runCommand(
  { action, configFile, json }: CommandRequest,
): Promise<CommandResult> {
  if (action.name === "check") return checkConfiguration(configFile, json);
  if (action.name === "replay") {
    // A watch has no use for all that reads files, and does not wait for it.
    const { replayFile } = await import("./replay_command.ts");
    return await replayFile({ ...action, configFile, json });
  }
  if (action.name === "report") {
    // A watch has no use for all that makes reports, and does not wait for it.
    const { report } = await import("./report_command.ts");
    return report({ html: undefined, ...action, configFile, json });
  }
  const socket = socketOf(configFile);
  if (action.name === "top") {
    const { top } = await import("./top_command.ts");
    return await top({ ...action, socket, json });
  }
  const reply = ask(socket, requestOf(action));
  // Whoever has got into the running program may answer with anything: nothing of it may steer the
  // terminal of root, who asks.
  const status = reply.reloaded === false ? 1 : 0;
  if (json) return { text: `${jsonText(reply)}\n`, status };
  return { text: understood(() => TEXTS[action.name](reply)), status };
}

/** The configuration may have faults that the running program does not know yet. */
function socketOf(configFile: string): string {
  return controlSocketOf(configFile) ?? DEFAULT_CONTROL_SOCKET;
}

/** Commands that are one question to the running program. */
type Asking = Exclude<CommandAction, { name: "check" | "report" | "top" | "replay" }>;

function requestOf(action: Asking): object {
  if (action.name === "unblock") {
    const { networks } = action;
    return { command: "unblock", ...(networks === "all" ? { all: true } : { networks }) };
  }
  const { name, ...rest } = action;
  return { command: name, ...rest };
}

type Reply = Record<string, unknown>;

const TEXTS: Record<Asking["name"], (reply: Reply) => string> = {
  status: statusText,
  blocked: ({ blocked }) => blockedText(blocked as BlockRecord[]),
  block: ({ blocked }) => {
    const { host, endMs } = blocked as BlockRecord;
    return `${escapeControls(host)} is blocked ${untilText(endMs)}\n`;
  },
  unblock: ({ unblocked }) => {
    const hosts = (unblocked as BlockRecord[]).map(({ host }) =>
      `${escapeControls(host)} is not blocked any more\n`
    );
    return hosts.length > 0 ? hosts.join("") : "No such host is blocked\n";
  },
  reload: ({ reloaded, faults }) =>
    reloaded === true
      ? "The configuration has been read again\n"
      : `${
        (faults as string[]).map(escapeControls).join("\n")
      }\nThe old configuration stays in force\n`,
};

function statusText(reply: Reply): string {
  const { watching, counters, firewall, privileges, ...facts } = reply as {
    watching: string[];
    privileges: HeldPrivileges;
    counters: Record<string, number>;
    firewall: Record<string, unknown> | null;
  };
  const rows: [string, string][] = [
    ...Object.entries(facts).map(([name, value]) =>
      [labelOf(name), String(value)] as [string, string]
    ),
    ...watching.map((text, i) => [i === 0 ? "watching" : "", text] as [string, string]),
    ...Object.entries(counters).map(([name, n]) => [labelOf(name), String(n)] as [string, string]),
    ...Object.entries(firewall ?? { firewall: "none" }).map(([name, value]) =>
      [labelOf(name), String(value)] as [string, string]
    ),
    ...privilegeRows(privileges),
  ];
  return table(rows);
}

/** `kernelDrops` as `kernel drops`. */
function labelOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function blockedText(blocked: readonly BlockRecord[]): string {
  if (blocked.length === 0) return "No host is blocked\n";
  return table([
    ["HOST", "ENDS", "TIMES", "SINCE", "REASON"],
    ...blocked.map(({ host, startMs, endMs, count, reason }) => [
      host,
      endMs === undefined ? "never" : `in ${leftText(endMs)}`,
      String(count),
      new Date(startMs).toISOString(),
      reason,
    ]),
  ]);
}

function untilText(endMs: number | undefined): string {
  return endMs === undefined ? "until it is unblocked" : `for ${leftText(endMs)}`;
}

function leftText(endMs: number): string {
  return formatDuration(Math.max(0, Math.round((endMs - Date.now()) / 1000)));
}
