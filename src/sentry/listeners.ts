/**
 * The sockets of connect mode: one a port, for IPv4 and IPv6 alike.
 *
 * @module
 */
import { raiseDescriptorLimit } from "../../ffi/descriptor_limit.ts";
import { libc, SystemError } from "../../ffi/libc.ts";
import { bindUdp, type Family, hasFreePort, listenTcp } from "../../ffi/socket.ts";
import { StartError } from "../config/fault.ts";
import { PortSet } from "../config/ports.ts";
import {
  CONNECTION_BACKLOG,
  LINGERING_CONNECTIONS,
  OTHER_DESCRIPTORS,
  TOLD_PORT_RANGES,
} from "../limits.ts";
import type { WatchedPorts } from "./frame_source.ts";

/** A port that is listened on. */
export interface Listener {
  readonly protocol: "TCP" | "UDP";
  readonly port: number;
  readonly fd: number;
}

/** What could be opened, and what is to be said about it. */
export interface OpenedPorts {
  listeners: Listener[];
  /** One line for each thing a person should know. */
  warnings: string[];
}

/**
 * Opens a socket for each port. Ports that cannot be had are told, and left out.
 *
 * @param others how many ports are open already
 * @throws {StartError} when the system does not allow as many descriptors as there are ports
 */
export function openPorts(
  family: Family,
  { tcpPorts, udpPorts }: WatchedPorts,
  others = 0,
): OpenedPorts {
  makeRoom(tcpPorts.size + udpPorts.size + others);
  const opened: OpenedPorts = { listeners: [], warnings: [] };
  try {
    open("TCP", tcpPorts, (port) => listenTcp(family, port, CONNECTION_BACKLOG), opened);
    open("UDP", udpPorts, (port) => bindUdp(family, port), opened);
    for (const [protocol, ports] of [["TCP", tcpPorts], ["UDP", udpPorts]] as const) {
      if (ports.size > 0 && !hasFreePort(family, protocol)) {
        opened.warnings.push(
          `${protocol}_PORTS leaves this host no ${protocol} port for connections of its own: leave ` +
            `out a part of net.ipv4.ip_local_port_range`,
        );
      }
    }
  } catch (error) {
    closePorts(opened.listeners);
    throw error;
  }
  return opened;
}

/** Gives all ports back. */
export function closePorts(listeners: readonly Listener[]): void {
  for (const { fd } of listeners) libc().close(fd);
}

function makeRoom(ports: number): void {
  const needed = ports + LINGERING_CONNECTIONS + OTHER_DESCRIPTORS;
  const limit = raiseDescriptorLimit(needed);
  if (limit >= needed) return;
  throw startError(
    `Listening on ${ports} ports takes ${needed} file descriptors, and this process may have only ` +
      `${limit}: raise the limit (ulimit -n ${needed}, or LimitNOFILE=${needed} in the systemd ` +
      `unit; the kernel's fs.nr_open is the most), or watch fewer ports`,
  );
}

function open(
  protocol: "TCP" | "UDP",
  ports: PortSet,
  openPort: (port: number) => number,
  { listeners, warnings }: OpenedPorts,
): void {
  const refused = new Map<string, number[]>();
  for (const { first, last } of ports.ranges) {
    for (let port = first; port <= last; port++) {
      try {
        listeners.push({ protocol, port, fd: openPort(port) });
      } catch (error) {
        if (!(error instanceof SystemError)) throw error;
        const others = refused.get(error.message);
        if (others) others.push(port);
        else refused.set(error.message, [port]);
      }
    }
  }
  for (const [reason, refusedPorts] of refused) {
    const set = new PortSet(refusedPorts.map((port) => ({ first: port, last: port })));
    warnings.push(`Not watching ${nameOf(protocol, set)}: ${reason}`);
  }
}

/** `TCP port 80`, or `UDP ports 1-3,7 and 12 more`. */
export function nameOf(protocol: string, ports: PortSet): string {
  if (ports.size === 1) return `${protocol} port ${ports}`;
  const told = new PortSet(ports.ranges.slice(0, TOLD_PORT_RANGES));
  const more = ports.size - told.size;
  return `${protocol} ports ${told}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Faults of what connect mode was asked for. */
export function startError(...messages: string[]): StartError {
  return new StartError(
    messages.map((message) => ({ where: "portsentry: option '--connect'", line: 0, message })),
  );
}
