/**
 * Hosts that nothing may be done about, whatever comes in their name: without them this host, or
 * whoever administers it, would be cut off. The source of a packet can be forged.
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";
import { listAddresses } from "../../ffi/netlink.ts";
import { listGateways, RouteChanges } from "../../ffi/routes.ts";
import { type Network, samePrefix } from "../config/network.ts";
import { NAME_SERVERS_MS } from "../limits.ts";
import { addressBytes } from "../packet/address.ts";
import { AddressTable, ownAddress, tableAddress } from "./address_table.ts";
import { ConnectedPeers } from "./connected_peers.ts";
import { NeededHosts } from "./needed_hosts.ts";
import { readNameServers } from "./name_servers.ts";
import { Pace } from "./pace.ts";

/** What a guard is made of. */
export interface LockoutGuardOptions {
  /**
   * Whether connections to a port on which somebody listens speak for their other end. In connect
   * mode those to the sentry itself must not: whoever probes it would be spared.
   */
  isService: (port: number) => boolean;
  /** Takes, once for each kind, what the guard cannot know and why. */
  onWarning: (text: string) => void;
}

/** What is known of this host itself, by the order in which it is told. */
const FACTS = [
  { what: "the addresses of this host", reason: "is an address of this host" },
  { what: "the default gateways", reason: "is a default gateway" },
  { what: "the name servers", reason: "is a name server of this host" },
  { what: "who is notified", reason: "is notified by this host" },
  { what: "what is no host", reason: "is no host: those that have no address yet send from it" },
] as const;
const Fact = { Addresses: 0, Gateways: 1, NameServers: 2, Notified: 3, NoHost: 4 } as const;
type Fact = typeof Fact[keyof typeof Fact];

/** 127.0.0.0, with a prefix of 104 bits in the table's form. */
const LOOPBACK4 = tableAddress(Uint8Array.of(127, 0, 0, 0));

/** ::1, whether the loopback interface is up or not. */
const LOOPBACK6 = Uint8Array.from({ length: 16 }, (_, i) => i === 15 ? 1 : 0);

/**
 * 0.0.0.0 and ::, which DHCP and duplicate address detection send from: to block them keeps every
 * client from a DHCP server, and costs a forged packet.
 */
const NO_HOST = [new Uint8Array(4), new Uint8Array(16)];

/** Says which hosts must be spared, as this host is at the moment. Opens no port, writes nothing. */
export class LockoutGuard {
  readonly #onWarning: (text: string) => void;
  readonly #warned = new Set<string>();
  readonly #peers: ConnectedPeers;
  readonly #known: Uint8Array[][] = FACTS.map(() => []);
  /** All of {@link #known}, with the index of the fact and 1. */
  readonly #table = new AddressTable();

  #notified = new NeededHosts([]);
  /** Undefined when the kernel does not tell of changes. */
  #changes: RouteChanges | undefined;
  readonly #pace = new Pace();
  #changed = true;
  #nextLookMs = -Infinity;
  #version = 0;

  constructor({ isService, onWarning }: LockoutGuardOptions) {
    this.#onWarning = onWarning;
    this.#peers = new ConnectedPeers(
      isService,
      (text) => this.#warn("who is connected to the services of this host", text),
    );
    try {
      this.#changes = new RouteChanges();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
    this.#learn(Fact.NoHost, () => NO_HOST);
    this.#refresh();
  }

  /** Changes whenever other hosts are to be spared, those apart that are merely connected. */
  get version(): number {
    this.#refresh();
    return this.#version;
  }

  /**
   * Why nothing may be done about a host, as the end of a sentence; undefined when nothing speaks
   * for it.
   *
   * @param host an address as the events write it
   */
  reasonToSpare(host: string): string | undefined {
    const address = tableAddress(addressBytes(host));
    this.#refresh();
    if (meetsLoopback4(address, 128)) return FACTS[Fact.Addresses].reason;
    const fact = this.#table.get(address);
    if (fact !== 0) return FACTS[fact - 1].reason;
    const port = this.#peers.portOf(address);
    return port === 0 ? undefined : `has a TCP connection to a service of this host (port ${port})`;
  }

  /** Whether one of the addresses in a network must be spared. */
  holdsProtected(network: Network): boolean {
    this.#refresh();
    const address = tableAddress(network.address);
    const prefix = network.prefix + (network.address.length === 4 ? 96 : 0);
    return meetsLoopback4(address, prefix) || this.#table.hasWithin(address, prefix) ||
      this.#peers.hasWithin(address, prefix);
  }

  /** All addresses that must be spared, 4 or 16 bytes each; of 127.0.0.0/8 those that are in use. */
  *hosts(): Iterable<Uint8Array> {
    this.#refresh();
    for (const addresses of this.#known) yield* addresses;
    for (const address of this.#peers.all()) yield ownAddress(address);
  }

  /** Spares the hosts of NOTIFY_URL from now on, and no others that were notified before. */
  notify(hosts: readonly string[]): void {
    if (hosts.join() === this.#notified.hosts.join()) return;
    this.#notified.close();
    this.#notified = new NeededHosts(hosts);
    this.#nextLookMs = -Infinity;
  }

  close(): void {
    this.#notified.close();
    this.#changes?.close();
    this.#changes = undefined;
    this.#peers.close();
  }

  /** Addresses and gateways when the kernel says that they have changed, the others from time to time. */
  #refresh(): void {
    const nowMs = performance.now();
    if (nowMs >= this.#nextLookMs) {
      this.#nextLookMs = nowMs + NAME_SERVERS_MS;
      this.#learn(Fact.NameServers, readNameServers);
      this.#learn(Fact.Notified, () => this.#notified.addresses);
      if (!this.#changes) this.#changed = true;
    }
    if (this.#changes?.any()) this.#changed = true;
    if (!this.#changed || !this.#pace.due) return;
    this.#changed = !this.#pace.run(() => {
      const addresses = this.#learn(Fact.Addresses, ownAddresses);
      return this.#learn(Fact.Gateways, listGateways) && addresses;
    });
  }

  /** @returns false when it cannot be known now; what was known of it stays good */
  #learn(fact: Fact, list: () => Uint8Array[]): boolean {
    try {
      const addresses = list();
      if (textOf(addresses) === textOf(this.#known[fact])) return true;
      this.#known[fact] = addresses;
      this.#version++;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.#warn(FACTS[fact].what, error.message);
      return false;
    }
    this.#table.clear();
    this.#known.forEach((addresses, i) => {
      for (const address of addresses) this.#table.add(tableAddress(address), i + 1);
    });
    return true;
  }

  #warn(what: string, why: string): void {
    if (this.#warned.has(what)) return;
    this.#warned.add(what);
    this.#onWarning(`The lockout guard does not know ${what}, and cannot spare them: ${why}`);
  }
}

function ownAddresses(): Uint8Array[] {
  return [LOOPBACK6, ...listAddresses().map(({ address }) => address)];
}

function textOf(addresses: readonly Uint8Array[]): string {
  return addresses.map((address) => address.toHex()).join();
}

/** Whether some of a network is in 127.0.0.0/8, all of which the kernel takes for itself. */
function meetsLoopback4(address: Uint8Array, prefix: number): boolean {
  return samePrefix(address, LOOPBACK4, Math.min(prefix, 104));
}
