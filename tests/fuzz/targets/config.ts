/**
 * portsentry.conf, and the durations and ports in it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { BlockMode, type Config } from "../../../src/config/config.ts";
import { parseConfigFile } from "../../../src/config/config_file.ts";
import { formatDuration, parseDuration } from "../../../src/config/duration.ts";
import { type Fault, formatFault } from "../../../src/config/fault.ts";
import { KEYS } from "../../../src/config/keys.ts";
import type { NotifyTarget } from "../../../src/config/notify_url.ts";
import { parsePorts, type PortSet } from "../../../src/config/ports.ts";
import { DROPPED_KEYS } from "../../../src/config/version1.ts";
import { MOST_DURATION_S } from "../../../src/limits.ts";
import { type Target, textTarget } from "../target.ts";

const FILE = "/etc/portsentry/portsentry.conf";
const PACKAGED = Deno.readTextFileSync(
  new URL("../../../packaging/portsentry.conf", import.meta.url),
);

const WORDS = [
  ...[...KEYS.keys(), ...DROPPED_KEYS.keys()].map((key) => `${key}="`),
  ...['"', "=", "#", "\n", "\r\n", "$TARGET$", "$PORT$", "nftables", "1h30m", "7d", "1-65535"],
  ...[
    "https://",
    "http://[::1]:8080/",
    "user:pass@",
    "ntfy",
    "ipchains",
    "333.444.555.666",
    "\\%",
    "0",
    "1",
    "2",
    "/x",
    ",",
    "-",
  ],
];

/** What is told of a fault is one line that a terminal can show. */
export function assertReadable(message: string, mostCharacters = 1000): void {
  const { length } = message;
  assert.ok(length > 0 && length <= mostCharacters, `${length} characters`);
  // deno-lint-ignore no-control-regex -- these are what is looked for
  assert.doesNotMatch(message, /[\x00-\x1f\x7f-\x9f\u2028\u2029]/);
}

/** Faults stand in the order of the file's lines, each at one that is there. */
export function assertFaults(faults: Fault[], text: string, file: string): void {
  const lines = text.split(/\r\n?|\n/).length;
  let last = 0;
  for (const fault of faults) {
    assert.equal(fault.where, file);
    assert.ok(fault.line >= last && fault.line <= lines, `line ${fault.line} of ${lines}`);
    last = fault.line;
    assertReadable(formatFault(fault));
  }
}

function assertPorts(ports: PortSet): void {
  let last = -1; // one port lies between each two ranges
  for (const { first, last: end } of ports.ranges) {
    assert.ok(first > last + 1 && first >= 1 && end >= first && end <= 65_535);
    last = end;
  }
  if (ports.size === 0) return;
  const again = parsePorts(ports.toString());
  assert.ok("ports" in again);
  assert.deepEqual(again.ports.ranges, ports.ranges);
}

/** A target's URL with user and password in their place. */
function urlOf({ url, authorization }: NotifyTarget): string {
  if (authorization === undefined) return url;
  const text = new TextDecoder().decode(
    Uint8Array.fromBase64(authorization.slice("Basic ".length)),
  );
  const [user, ...password] = text.split(":");
  const pair = `${encodeURIComponent(user)}:${encodeURIComponent(password.join(":"))}`;
  return url.replace("://", () => `://${pair}@`);
}

/** The file that says what `config` does. */
function render(config: Config): string {
  const flag = (value: boolean) => value ? "1" : "0";
  const values: [key: string, value: string | number | undefined][] = [
    ["TCP_PORTS", config.tcpPorts.toString() || undefined],
    ["UDP_PORTS", config.udpPorts.toString() || undefined],
    ["IGNORE_FILE", config.ignoreFile],
    ["HISTORY_FILE", config.historyFile],
    ["BLOCKED_FILE", config.blockedFile],
    ["RESOLVE_HOST", flag(config.resolveHost)],
    ["BLOCK_TCP", config.blockTcp],
    ["BLOCK_UDP", config.blockUdp],
    ["KILL_ROUTE", config.killRoute],
    ["KILL_HOSTS_DENY", config.killHostsDeny],
    ["KILL_RUN_CMD", config.killRunCmd],
    ["KILL_RUN_CMD_FIRST", flag(config.killRunCmdFirst)],
    ["FIREWALL", config.firewall],
    ["FIREWALL_KEEP", flag(config.firewallKeep)],
    ["BLOCK_TIME", formatDuration(config.blockTimeS)],
    ["BLOCK_TIME_GROWTH", config.blockTimeGrowth],
    ["BLOCK_TIME_MAX", formatDuration(config.blockTimeMaxS)],
    ["BLOCK_PREFIX_IPV6", config.blockPrefixIpv6],
    ["BLOCK_MAX", config.blockMax],
    ["LOCKOUT_GUARD", flag(config.lockoutGuard)],
    ["STATE_FILE", config.stateFile],
    ["CONTROL_SOCKET", config.controlSocket],
    ["NOTIFY_URL", config.notifyTargets?.map(urlOf).join(" ")],
    ["NOTIFY_FORMAT", config.notifyFormat],
    ["NOTIFY_WINDOW", formatDuration(config.notifyWindowS)],
    ["DRY_RUN", flag(config.dryRun)],
    ["SCAN_TRIGGER", config.scanTrigger],
    ["SCAN_TRIGGER_PORTS", config.scanTriggerPorts],
    ["SCAN_TRIGGER_WINDOW", formatDuration(config.scanTriggerWindowS ?? 0)],
    ["SCAN_WINDOW", formatDuration(config.scanWindowS)],
    ["PORT_BANNER", config.portBanner],
  ];
  return values.filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}="${value}"\n`).join("");
}

/** Everything of a config that can be compared. */
function plain(config: Config | undefined) {
  return config &&
    { ...config, tcpPorts: config.tcpPorts.toString(), udpPorts: config.udpPorts.toString() };
}

function readsConfig(text: string): string {
  const { config, faults, warnings, ignoreFile } = parseConfigFile(text, FILE);
  assertFaults(faults, text, FILE);
  for (const warning of warnings) assertReadable(formatFault(warning));
  assert.equal(config === undefined, faults.length > 0);
  if (config) {
    assertPorts(config.tcpPorts);
    assertPorts(config.udpPorts);
    assert.ok(config.tcpPorts.size + config.udpPorts.size > 0);
    for (const mode of [config.blockTcp, config.blockUdp]) {
      assert.ok(mode !== BlockMode.RunCommand || config.killRunCmd !== undefined);
    }
    assert.ok(config.killRoute?.includes("$TARGET$") ?? true);
    assert.ok(config.blockTimeS <= config.blockTimeMaxS);
    assert.equal(ignoreFile, config.ignoreFile);
    const again = parseConfigFile(render(config), FILE);
    assert.deepEqual(again.faults, []);
    assert.deepEqual(plain(again.config), plain(config));
  }
  return JSON.stringify([plain(config), faults, warnings]);
}

function readsDuration(text: string): string {
  const parsed = parseDuration(text);
  if ("fault" in parsed) {
    assertReadable(parsed.fault);
    return parsed.fault;
  }
  const { seconds } = parsed;
  assert.ok(Number.isSafeInteger(seconds) && seconds >= 0 && seconds <= MOST_DURATION_S);
  assert.deepEqual(parseDuration(formatDuration(seconds)), { seconds });
  return formatDuration(seconds);
}

function readsPorts(text: string): string {
  const parsed = parsePorts(text);
  if ("faults" in parsed) {
    assert.ok(parsed.faults.length > 0);
    for (const fault of parsed.faults) assertReadable(fault);
    return parsed.faults.join("\n");
  }
  assert.ok(parsed.ports.size > 0);
  assertPorts(parsed.ports);
  return parsed.ports.toString();
}

export const CONFIG_TARGETS: Target[] = [
  textTarget("config", readsConfig, {
    dictionary: WORDS,
    seeds: [
      ["as packaged", PACKAGED],
      ["as packaged, settings only", PACKAGED.replaceAll(/^(?:#(?=[A-Z]).|#.*\n)/gm, "")],
    ],
  }),
  textTarget("duration", readsDuration, { dictionary: ["d", "h", "m", "s", "0", "1", "3650d"] }),
  textTarget("ports", readsPorts, { dictionary: [",", "-", "1", "65535", " ", "1-65535"] }),
];
