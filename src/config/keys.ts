/**
 * The keys of portsentry.conf: how each one's value is read into a {@link Config}.
 *
 * @module
 */
import { dirname, isAbsolute, join } from "node:path";

import { BANNER_BYTES } from "../limits.ts";
import { quote } from "../text.ts";
import type { BlockMode, Config } from "./config.ts";
import { parsePorts, type PortSet } from "./ports.ts";

/** Puts a value into the config, or says everything that is wrong with it. */
type ReadValue = (value: string, config: Config) => string[];

/** Every key there is. A prefix of a key is an unknown key. */
export const KEYS: ReadonlyMap<string, ReadValue> = new Map<string, ReadValue>([
  ["TCP_PORTS", ports((config, set) => config.tcpPorts = set)],
  ["UDP_PORTS", ports((config, set) => config.udpPorts = set)],
  ["IGNORE_FILE", path((config, file) => config.ignoreFile = file)],
  ["HISTORY_FILE", path((config, file) => config.historyFile = file)],
  ["BLOCKED_FILE", path((config, file) => config.blockedFile = file)],
  ["RESOLVE_HOST", digit(1, (config, value) => config.resolveHost = value === 1)],
  ["BLOCK_TCP", digit(2, (config, value) => config.blockTcp = value as BlockMode)],
  ["BLOCK_UDP", digit(2, (config, value) => config.blockUdp = value as BlockMode)],
  ["KILL_ROUTE", target((config, command) => config.killRoute = command)],
  ["KILL_HOSTS_DENY", target((config, line) => config.killHostsDeny = line)],
  ["KILL_RUN_CMD", text((config, command) => config.killRunCmd = command)],
  ["KILL_RUN_CMD_FIRST", digit(1, (config, value) => config.killRunCmdFirst = value === 1)],
  ["SCAN_TRIGGER", count((config, value) => config.scanTrigger = value)],
  ["PORT_BANNER", text((config, banner) => config.portBanner = banner, BANNER_BYTES)],
]);

const MOST_SCAN_TRIGGER = 1_000_000;

function ports(set: (config: Config, ports: PortSet) => void): ReadValue {
  return (value, config) => {
    const parsed = parsePorts(value);
    if ("faults" in parsed) return parsed.faults;
    set(config, parsed.ports);
    return [];
  };
}

/** A file's path; a relative one starts at the config file's folder. */
function path(set: (config: Config, file: string) => void): ReadValue {
  return (value, config) => {
    if (value === "") return ["The path is empty: write a file's path, or leave the line out"];
    if (value.includes("\0")) return ["A path cannot hold a NUL byte"];
    set(config, isAbsolute(value) ? value : join(dirname(config.file), value));
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

function count(set: (config: Config, value: number) => void): ReadValue {
  return (value, config) => {
    if (!/^\d+$/.test(value) || Number(value) > MOST_SCAN_TRIGGER) {
      return [`Cannot use ${quote(value)}: write a number from 0 to ${MOST_SCAN_TRIGGER}`];
    }
    set(config, Number(value));
    return [];
  };
}
