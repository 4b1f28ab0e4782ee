/**
 * The keys of portsentry.conf: how each one's value is read into a {@link Config}.
 *
 * @module
 */
import { dirname, isAbsolute, join } from "node:path";

import { BANNER_BYTES, MOST_TRIGGER_PORTS, SOCKET_PATH_BYTES } from "../limits.ts";
import { quote } from "../text.ts";
import type { BlockMode, Config } from "./config.ts";
import { parseDuration } from "./duration.ts";
import { parseEndpoint } from "./endpoint.ts";
import { firewallFault } from "./firewall_names.ts";
import { NOTICE_FORMATS, parseNotifyUrls } from "./notify_url.ts";
import { parsePorts, type PortSet } from "./ports.ts";

/** Puts a value into the config, or says everything that is wrong with it. */
type ReadValue = (value: string, config: Config) => string[];

const MOST_SCAN_TRIGGER = 1_000_000;
const MOST_BLOCKS = 1_048_576;
const MOST_GROWTH = 100;
// Providers get 32 bits, their customers 48 to 64: a shorter prefix would block a whole provider.
const LEAST_PREFIX_IPV6 = 32;

/** Keys whose value may be secret: no message quotes it. */
export const SECRET_KEYS: ReadonlySet<string> = new Set(["NOTIFY_URL"]);

/** Every key there is. A prefix of a key is an unknown key. */
export const KEYS: ReadonlyMap<string, ReadValue> = new Map<string, ReadValue>([
  ["TCP_PORTS", ports((config, set) => config.tcpPorts = set)],
  ["UDP_PORTS", ports((config, set) => config.udpPorts = set)],
  ["IGNORE_FILE", path((config, file) => config.ignoreFile = file)],
  ["HISTORY_FILE", path((config, file) => config.historyFile = file)],
  [
    "HISTORY_FORMAT",
    choice(["classic", "json"], (config, format) => config.historyFormat = format),
  ],
  ["BLOCKED_FILE", path((config, file) => config.blockedFile = file)],
  ["RESOLVE_HOST", digit(1, (config, value) => config.resolveHost = value === 1)],
  ["BLOCK_TCP", digit(2, (config, value) => config.blockTcp = value as BlockMode)],
  ["BLOCK_UDP", digit(2, (config, value) => config.blockUdp = value as BlockMode)],
  ["KILL_ROUTE", target((config, command) => config.killRoute = command)],
  ["KILL_HOSTS_DENY", target((config, line) => config.killHostsDeny = line)],
  ["KILL_RUN_CMD", text((config, command) => config.killRunCmd = command)],
  ["KILL_RUN_CMD_FIRST", digit(1, (config, value) => config.killRunCmdFirst = value === 1)],
  ["FIREWALL", firewall],
  ["FIREWALL_KEEP", digit(1, (config, value) => config.firewallKeep = value === 1)],
  ["BLOCK_TIME", duration("or 0", (config, seconds) => config.blockTimeS = seconds)],
  ["BLOCK_TIME_GROWTH", growth],
  ["BLOCK_TIME_MAX", duration("above 0", (config, seconds) => config.blockTimeMaxS = seconds)],
  [
    "BLOCK_PREFIX_IPV6",
    number(LEAST_PREFIX_IPV6, 128, (config, bits) => config.blockPrefixIpv6 = bits),
  ],
  ["BLOCK_MAX", number(1, MOST_BLOCKS, (config, blocks) => config.blockMax = blocks)],
  ["LOCKOUT_GUARD", digit(1, (config, value) => config.lockoutGuard = value === 1)],
  ["STATE_FILE", path((config, file) => config.stateFile = file)],
  ["CONTROL_SOCKET", path((config, file) => config.controlSocket = file, SOCKET_PATH_BYTES)],
  ["METRICS", metrics],
  ["NOTIFY_URL", notifyUrls],
  ["NOTIFY_FORMAT", choice(NOTICE_FORMATS, (config, format) => config.notifyFormat = format)],
  ["NOTIFY_WINDOW", duration("above 0", (config, seconds) => config.notifyWindowS = seconds)],
  ["RUN_AS", user],
  ["DRY_RUN", digit(1, (config, value) => config.dryRun = value === 1)],
  ["DETECT", choice(["classic", "extended"], (config, detect) => config.detect = detect)],
  ["SCAN_TRIGGER", number(0, MOST_SCAN_TRIGGER, (config, value) => config.scanTrigger = value)],
  [
    "SCAN_TRIGGER_PORTS",
    number(0, MOST_TRIGGER_PORTS, (config, value) => config.scanTriggerPorts = value),
  ],
  [
    "SCAN_TRIGGER_WINDOW",
    duration("or 0", (config, seconds) => {
      delete config.scanTriggerWindowS;
      if (seconds > 0) config.scanTriggerWindowS = seconds;
    }),
  ],
  ["SCAN_WINDOW", duration("above 0", (config, seconds) => config.scanWindowS = seconds)],
  ["PORT_BANNER", text((config, banner) => config.portBanner = banner, BANNER_BYTES)],
]);

function ports(set: (config: Config, ports: PortSet) => void): ReadValue {
  return (value, config) => {
    const parsed = parsePorts(value);
    if ("faults" in parsed) return parsed.faults;
    set(config, parsed.ports);
    return [];
  };
}

/** A file's path; a relative one starts at the config file's folder. */
function path(set: (config: Config, file: string) => void, mostBytes = Infinity): ReadValue {
  return (value, config) => {
    if (value === "") return ["The path is empty: write a file's path, or leave the line out"];
    if (value.includes("\0")) return ["A path cannot hold a NUL byte"];
    const file = isAbsolute(value) ? value : join(dirname(config.file), value);
    const { length } = new TextEncoder().encode(file);
    if (length > mostBytes) {
      return [`${quote(file)} is ${length} bytes long: write a path of ${mostBytes} at most`];
    }
    set(config, file);
    return [];
  };
}

function text(set: (config: Config, value: string) => void, mostBytes = Infinity): ReadValue {
  return (value, config) => {
    if (value === "") return ["The value is empty: write one, or leave the line out"];
    const { length } = new TextEncoder().encode(value);
    if (length > mostBytes) {
      return [`${quote(value)} is ${length} bytes long: write ${mostBytes} at most`];
    }
    set(config, value);
    return [];
  };
}

function target(set: (config: Config, value: string) => void): ReadValue {
  return (value, config) => {
    if (!value.includes("$TARGET$")) {
      return [`${quote(value)} does not name the host: put $TARGET$ where its address belongs`];
    }
    set(config, value);
    return [];
  };
}

function digit(most: number, set: (config: Config, value: number) => void): ReadValue {
  const choices = most === 1 ? `"0" or "1"` : `"0", "1" or "2"`;
  return (value, config) => {
    if (!/^\d$/.test(value) || Number(value) > most) {
      return [`Cannot use ${quote(value)}: write ${choices}`];
    }
    set(config, Number(value));
    return [];
  };
}

function choice<T extends string>(
  choices: readonly T[],
  set: (config: Config, value: T) => void,
): ReadValue {
  return (value, config) => {
    const chosen = choices.find((one) => one === value);
    if (chosen === undefined) {
      return [`Cannot use ${quote(value)}: write ${choices.map(quote).join(" or ")}`];
    }
    set(config, chosen);
    return [];
  };
}

function number(
  least: number,
  most: number,
  set: (config: Config, value: number) => void,
): ReadValue {
  return (value, config) => {
    if (!/^\d+$/.test(value) || Number(value) < least || Number(value) > most) {
      return [`Cannot use ${quote(value)}: write a number from ${least} to ${most}`];
    }
    set(config, Number(value));
    return [];
  };
}

/** A duration; what 0 stands for is the key's own matter, and some have no use for it. */
function duration(
  zero: "or 0" | "above 0",
  set: (config: Config, seconds: number) => void,
): ReadValue {
  return (value, config) => {
    const parsed = parseDuration(value);
    if ("fault" in parsed) return [parsed.fault];
    if (parsed.seconds === 0 && zero === "above 0") {
      return [`Cannot use ${quote(value)}: write a time above 0, such as "7d"`];
    }
    set(config, parsed.seconds);
    return [];
  };
}

function growth(value: string, config: Config): string[] {
  const factor = Number(value);
  if (!/^\d+(?:\.\d+)?$/.test(value) || factor < 1 || factor > MOST_GROWTH) {
    return [`Cannot use ${quote(value)}: write a number from 1 to ${MOST_GROWTH}, such as "1.5"`];
  }
  config.blockTimeGrowth = factor;
  return [];
}

function metrics(value: string, config: Config): string[] {
  const parsed = parseEndpoint(value);
  if ("fault" in parsed) return [parsed.fault];
  config.metrics = parsed.endpoint;
  return [];
}

function notifyUrls(value: string, config: Config): string[] {
  const parsed = parseNotifyUrls(value);
  if ("faults" in parsed) return parsed.faults;
  config.notifyTargets = parsed.targets;
  return [];
}

function firewall(value: string, config: Config): string[] {
  const fault = firewallFault(value);
  if (fault !== undefined) return [fault];
  config.firewall = "nftables";
  return [];
}

/** Whether there is such a user is this host's matter, asked when it is needed. */
function user(value: string, config: Config): string[] {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(value)) {
    return [`Cannot use ${quote(value)}: write the name of a user, such as "portsentry"`];
  }
  config.runAs = value;
  return [];
}
