/**
 * The sentry of a run, opened as the command line asks for it, and what keeps it in step with the
 * host's interfaces.
 *
 * @module
 */
import type { Poller } from "../ffi/epoll.ts";
import type { Options } from "./cli.ts";
import type { Config } from "./config/config.ts";
import { StartError } from "./config/fault.ts";
import { reason } from "./config/load.ts";
import type { Logger } from "./log/logger.ts";
import type { Packet } from "./packet/packet.ts";
import { ConnectSentry } from "./sentry/connect_sentry.ts";
import { InterfaceFollower } from "./sentry/interface_follower.ts";
import { type Interface, listInterfaces } from "./sentry/interfaces.ts";
import { PcapMethod } from "./sentry/pcap_method.ts";
import { RawMethod } from "./sentry/raw_method.ts";
import type { Sentry } from "./sentry/sentry.ts";
import { StealthSentry } from "./sentry/stealth_sentry.ts";
import type { Unsolicited } from "./sentry/unsolicited.ts";

/** What a watch of ports is given. */
export interface WatchedParts {
  options: Options;
  config: Config;
  poller: Poller;
  /** Takes each packet; returns whether its sender may be answered with a banner. */
  onPacket: (packet: Packet) => boolean;
  /** Undefined in connect mode. */
  unsolicited: Unsolicited | undefined;
  log: Logger;
}

/** A sentry that watches. */
export interface Watched {
  sentry: Sentry;
  /** Watches other ports. @throws {Error} when it cannot; the old ones are watched on, then */
  watch(config: Config): void;
  /** Whether it is the sentry that listens on a TCP port, and no service. */
  listensOn(port: number): boolean;
  /** Follows the interfaces no longer. */
  settle(): void;
}

/** @throws {StartError} when the ports cannot be watched as asked */
export function openWatched(parts: WatchedParts): Watched {
  const watched = parts.options.mode === "connect" ? listen(parts) : capture(parts);
  const watch = (config: Config) => {
    try {
      watched.watch(config);
    } catch (error) {
      if (error instanceof StartError) throw error;
      // The kernel has no memory for the filters or sockets: that is no reason to end.
      const message = `Cannot watch these ports: ${reason(error, config.file)}`;
      throw new StartError([{ where: config.file, line: 0, message }]);
    }
  };
  return { ...watched, watch };
}

/** How stealth mode captures. */
export function captureMethod(options: Options, onVerbose: (text: string) => void) {
  return options.method === "raw" ? new RawMethod(onVerbose) : new PcapMethod(options.interfaces);
}

/** The faults of `-i` on this host. */
export function interfaceFaults(faults: readonly string[]): StartError {
  const where = "portsentry: option '-i, --interface <name>'";
  return new StartError(faults.map((message) => ({ where, line: 0, message })));
}

function listen({ config, poller, onPacket, log }: WatchedParts): Watched {
  const { tcpPorts, udpPorts, portBanner } = config;
  const sentry = new ConnectSentry({
    tcpPorts,
    udpPorts,
    banner: portBanner,
    poller,
    onPacket,
    onVerbose: (text) => log.verbose(text),
    onFailure: (text) => log.error(text),
  });
  return {
    sentry,
    watch: (config) => sentry.watch(config, config.portBanner),
    listensOn: (port) => sentry.listensOn(port),
    settle: () => {},
  };
}

function capture({ options, config, poller, onPacket, unsolicited, log }: WatchedParts): Watched {
  const sentry = new StealthSentry({
    method: captureMethod(options, (text) => log.verbose(text)),
    ports: config,
    poller,
    onPacket,
    onVerbose: (text) => log.verbose(text),
    onFailure: (text) => {
      log.error(text);
      follower.soon();
    },
  });
  // The kernel tells of changes from here on, so that none is missed after the first look.
  const follower = new InterfaceFollower(
    poller,
    (interfaces: readonly Interface[]) => {
      const followed = unsolicited?.follow(interfaces) ?? true;
      return sentry.follow(interfaces) && followed;
    },
    (text) => log.error(text),
  );
  const interfaces = listInterfaces();
  const { faults } = sentry.select(interfaces);
  if (faults.length > 0) throw interfaceFaults(faults);
  unsolicited?.follow(interfaces);
  unsolicited?.watch(config);
  sentry.start(interfaces);
  let watched = config;
  const watch = (config: Config) => {
    try {
      unsolicited?.watch(config);
      sentry.watch(config);
      watched = config;
    } catch (error) {
      unsolicited?.restore(watched);
      follower.soon();
      throw error;
    }
  };
  return { sentry, watch, listensOn: () => false, settle: () => follower.close() };
}
