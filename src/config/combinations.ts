/**
 * What the keys of portsentry.conf mean to each other: those that lack another one, those that
 * contradict each other, and those that do nothing as things are.
 *
 * @module
 */
import { BlockMode, type Config } from "./config.ts";
import { formatDuration } from "./duration.ts";
import { formatEndpoint, isLoopback } from "./endpoint.ts";
import type { Fault } from "./fault.ts";

/** The keys of a file, all of them read. */
export interface Keys {
  config: Config;
  /** Whether the file sets a key, be it to a good value or not. */
  isSet(key: string): boolean;
  /** Keys whose value had a fault: the config has another one in their place. */
  unread: ReadonlySet<string>;
}

/** What is to be said of a key. */
interface Remark {
  /** The key to blame; empty for the file as a whole. */
  key: string;
  message: string;
}

const MEANS = ["FIREWALL", "KILL_ROUTE", "KILL_HOSTS_DENY"];

/** Gives keys that are not set what other keys make of their defaults. */
export function adaptDefaults({ config, isSet }: Keys): void {
  // Whoever only asks for a long BLOCK_TIME need not know of its bound.
  if (!isSet("BLOCK_TIME_MAX") && config.blockTimeS > config.blockTimeMaxS) {
    config.blockTimeMaxS = config.blockTimeS;
  }
}

/** Faults between keys. */
export function contradictions(keys: Keys): Remark[] {
  return [...missing(keys), ...blockTimes(keys), ...triggers(keys)];
}

function* missing({ config, isSet }: Keys): Iterable<Remark> {
  if (!isSet("TCP_PORTS") && !isSet("UDP_PORTS")) {
    const message = 'No ports to watch: set TCP_PORTS or UDP_PORTS, such as TCP_PORTS="1,7,20-25"';
    yield { key: "", message };
  }
  const modes = [["BLOCK_TCP", config.blockTcp], ["BLOCK_UDP", config.blockUdp]] as const;
  for (const [key, mode] of modes) {
    if (mode === BlockMode.Block && !MEANS.some(isSet)) {
      const message = `${key}="1" needs a means of blocking: ` +
        "set FIREWALL, KILL_ROUTE or KILL_HOSTS_DENY";
      yield { key, message };
    }
    if (mode === BlockMode.RunCommand && !isSet("KILL_RUN_CMD")) {
      yield { key, message: `${key}="2" needs a command to run: set KILL_RUN_CMD` };
    }
  }
}

function* blockTimes({ config, unread }: Keys): Iterable<Remark> {
  const { blockTimeS, blockTimeMaxS } = config;
  if (blockTimeS <= blockTimeMaxS || unread.has("BLOCK_TIME") || unread.has("BLOCK_TIME_MAX")) {
    return;
  }
  const [time, most] = [blockTimeS, blockTimeMaxS].map(formatDuration);
  const message = `BLOCK_TIME_MAX="${most}" is shorter than BLOCK_TIME="${time}": ` +
    `write "${time}" at least`;
  yield { key: "BLOCK_TIME_MAX", message };
}

function* triggers({ config }: Keys): Iterable<Remark> {
  if (config.scanTriggerPorts > 0 && config.scanTrigger > 1) {
    const message = "SCAN_TRIGGER_PORTS counts ports, and SCAN_TRIGGER counts events: keep one, " +
      "and leave the other one out";
    yield { key: "SCAN_TRIGGER_PORTS", message };
  }
}

/** Keys that are about the blocks of FIREWALL. */
const OF_FIREWALL = [
  "FIREWALL_KEEP",
  "BLOCK_TIME",
  "BLOCK_TIME_GROWTH",
  "BLOCK_TIME_MAX",
  "BLOCK_PREFIX_IPV6",
  "BLOCK_MAX",
];

/** Keys that open what is better kept shut: allowed, and better not done by mistake. */
export function* risks({ config }: Keys): Iterable<Remark> {
  const { metrics, notifyTargets = [] } = config;
  if (metrics && !isLoopback(metrics)) {
    const message =
      `METRICS="${formatEndpoint(metrics)}" answers whoever can reach that address: ` +
      `write "127.0.0.1:${metrics.port}" unless Prometheus runs on another host`;
    yield { key: "METRICS", message };
  }
  for (const { host, endpoint, encrypted } of notifyTargets) {
    if (encrypted || host === "localhost" || isLoopback({ host })) continue;
    const message =
      `NOTIFY_URL: everybody on the way to ${endpoint} can read what it is told, and ` +
      "the token in the URL: write https:// where the server takes it";
    yield { key: "NOTIFY_URL", message };
  }
}

/** Keys that are set and do nothing: allowed, and surely not meant. */
export function* withoutEffect({ config, isSet, unread }: Keys): Iterable<Remark> {
  const ineffective = (key: string, why: string) => ({
    key,
    message: `${key} has no effect ${why}`,
  });
  if (isSet("HISTORY_FORMAT") && !isSet("HISTORY_FILE")) {
    yield ineffective("HISTORY_FORMAT", "without HISTORY_FILE");
  }
  for (const key of ["NOTIFY_FORMAT", "NOTIFY_WINDOW"].filter(isSet)) {
    if (!isSet("NOTIFY_URL")) yield ineffective(key, "without NOTIFY_URL");
  }
  for (const key of OF_FIREWALL.filter(isSet)) {
    if (!isSet("FIREWALL")) yield ineffective(key, "without FIREWALL");
    else if (config.blockTimeS === 0 && ["BLOCK_TIME_GROWTH", "BLOCK_TIME_MAX"].includes(key)) {
      yield ineffective(key, 'with BLOCK_TIME="0": the blocks have no end');
    }
  }
  if (
    config.scanTriggerWindowS !== undefined && config.scanTrigger <= 1 &&
    config.scanTriggerPorts <= 1 && !unread.has("SCAN_TRIGGER") && !unread.has("SCAN_TRIGGER_PORTS")
  ) {
    const why = "without SCAN_TRIGGER or SCAN_TRIGGER_PORTS above 1: the first event is acted on";
    yield ineffective("SCAN_TRIGGER_WINDOW", why);
  }
}

/** What the mode of the command line leaves without effect. */
export function* withoutEffectIn(mode: "stealth" | "connect", config: Config): Iterable<Fault> {
  if (mode !== "connect" || config.detect === "classic") return;
  const message = `DETECT="${config.detect}" has no effect with --connect: ` +
    "only stealth mode sees packets of no connection";
  yield { where: config.file, line: 0, message };
}
