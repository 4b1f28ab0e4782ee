/**
 * What portsentry.conf says, as a value.
 *
 * @module
 */
import { PortSet } from "./ports.ts";

/** BLOCK_TCP and BLOCK_UDP: what an event leads to. */
export const BlockMode = { LogOnly: 0, Block: 1, RunCommand: 2 } as const;
export type BlockMode = typeof BlockMode[keyof typeof BlockMode];

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
  /** BLOCKED_FILE: hosts already blocked. */
  blockedFile?: string;
  /** RESOLVE_HOST: put the reverse-DNS name into the event. */
  resolveHost: boolean;
  /** BLOCK_TCP */
  blockTcp: BlockMode;
  /** BLOCK_UDP */
  blockUdp: BlockMode;
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
  /** PORT_BANNER: text for whoever connects. */
  portBanner?: string;
}

/** A config in which no key is set. */
export function defaultConfig(file: string): Config {
  return {
    file,
    tcpPorts: new PortSet([]),
    udpPorts: new PortSet([]),
    resolveHost: false,
    blockTcp: BlockMode.LogOnly,
    blockUdp: BlockMode.LogOnly,
    killRunCmdFirst: false,
    scanTrigger: 0,
  };
}
