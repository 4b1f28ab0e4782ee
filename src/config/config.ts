/**
 * What portsentry.conf says, as a value.
 *
 * @module
 */
import type { Endpoint } from "./endpoint.ts";
import type { NoticeFormat, NotifyTarget } from "./notify_url.ts";
import { PortSet } from "./ports.ts";

/** BLOCK_TCP and BLOCK_UDP: what an event leads to. */
export const BlockMode = { LogOnly: 0, Block: 1, RunCommand: 2 } as const;
export type BlockMode = typeof BlockMode[keyof typeof BlockMode];

/** DETECT: which packets are probes. */
export type Detect = "classic" | "extended";

/** The settings of one run. A key that is not set has its default, or is absent. */
export interface Config {
  /** The file this was read from, as the user named it. */
  file: string;
  /** TCP_PORTS: watched TCP ports. */
  tcpPorts: PortSet;
  /** UDP_PORTS: watched UDP ports. */
  udpPorts: PortSet;
  /** IGNORE_FILE: sources never acted on. */
  ignoreFile?: string;
  /** HISTORY_FILE: every event is appended here. */
  historyFile?: string;
  /** DETECT: whether segments with ACK that nobody asked for, and pings, are probes too. */
  detect: Detect;
  /** HISTORY_FORMAT: how events are written there. */
  historyFormat: "classic" | "json";
  /** BLOCKED_FILE: hosts already blocked. */
  blockedFile?: string;
  /** RESOLVE_HOST: put the reverse-DNS name into the event. */
  resolveHost: boolean;
  /** BLOCK_TCP */
  blockTcp: BlockMode;
  /** BLOCK_UDP */
  blockUdp: BlockMode;
  /** FIREWALL: the firewall that blocks by itself. */
  firewall?: "nftables";
  /** FIREWALL_KEEP: whether its blocks stay when the program ends. */
  firewallKeep: boolean;
  /** BLOCK_TIME, in seconds; 0 is until somebody lifts the block. */
  blockTimeS: number;
  /** BLOCK_TIME_GROWTH: how many times longer a host is blocked each time it comes back. */
  blockTimeGrowth: number;
  /** BLOCK_TIME_MAX, in seconds; never less than {@link blockTimeS}. */
  blockTimeMaxS: number;
  /** BLOCK_PREFIX_IPV6: bits of an IPv6 address that are blocked together. */
  blockPrefixIpv6: number;
  /** BLOCK_MAX: blocks at once. */
  blockMax: number;
  /** LOCKOUT_GUARD: never act on the hosts this one depends on. */
  lockoutGuard: boolean;
  /** STATE_FILE: what is blocked, since when and until when. */
  stateFile?: string;
  /** CONTROL_SOCKET: where a running program takes commands. */
  controlSocket?: string;
  /** METRICS: where Prometheus finds what is measured. */
  metrics?: Endpoint;
  /** NOTIFY_URL: who is notified. */
  notifyTargets?: readonly NotifyTarget[];
  /** NOTIFY_FORMAT; absent for what each of them is known to take. */
  notifyFormat?: NoticeFormat;
  /** NOTIFY_WINDOW, in seconds: a source is told once in it. */
  notifyWindowS: number;
  /** RUN_AS: the user to become when root has started the program. */
  runAs?: string;
  /** DRY_RUN: tell what would be done, and do nothing. */
  dryRun: boolean;
  /** KILL_ROUTE: shell command that blocks `$TARGET$`. */
  killRoute?: string;
  /** KILL_HOSTS_DENY: line for /etc/hosts.deny. */
  killHostsDeny?: string;
  /** KILL_RUN_CMD: shell command to run. */
  killRunCmd?: string;
  /** KILL_RUN_CMD_FIRST: run it before the block. */
  killRunCmdFirst: boolean;
  /** SCAN_TRIGGER: the event of a host that is the first to be acted on; 0 is like 1. */
  scanTrigger: number;
  /** SCAN_TRIGGER_PORTS: the port of a host that is the first to be acted on; 0 is off. */
  scanTriggerPorts: number;
  /** SCAN_TRIGGER_WINDOW, in seconds: what happened longer ago does not count. */
  scanTriggerWindowS?: number;
  /** SCAN_WINDOW, in seconds: a scan has ended when its source has been quiet for longer. */
  scanWindowS: number;
  /** PORT_BANNER: text for whoever connects. */
  portBanner?: string;
}

/** A config in which no key is set. */
export function defaultConfig(file: string): Config {
  return {
    file,
    tcpPorts: new PortSet([]),
    udpPorts: new PortSet([]),
    detect: "classic",
    historyFormat: "classic",
    resolveHost: false,
    blockTcp: BlockMode.LogOnly,
    blockUdp: BlockMode.LogOnly,
    firewallKeep: true,
    blockTimeS: 3600,
    blockTimeGrowth: 2,
    blockTimeMaxS: 7 * 86_400,
    blockPrefixIpv6: 64,
    blockMax: 65_536,
    lockoutGuard: true,
    notifyWindowS: 3600,
    dryRun: false,
    killRunCmdFirst: false,
    scanTrigger: 0,
    scanTriggerPorts: 0,
    scanWindowS: 600,
  };
}
