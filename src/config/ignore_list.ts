/**
 * The sources that are never acted on, in a form that a packet is looked up in.
 *
 * @module
 */
import { compareBytes, type Network, setHostBits } from "./network.ts";
import { type PortRange, PortSet } from "./ports.ts";

/** Protocols by the names that the ignore file has for them (IANA, Assigned Protocol Numbers). */
export const IGNORE_PROTOCOLS = { tcp: 6, udp: 17, icmp: 1 } as const;

/** The network of a link; what is larger is somebody's whole address space. */
const LEAST_NAMED_PREFIX = 64;

/** A network that is ignored at some ports, or for ICMP, which has none. */
export interface NetworkAtPorts {
  network: Network;
  protocol: typeof IGNORE_PROTOCOLS[keyof typeof IGNORE_PROTOCOLS];
  ports: PortRange;
}

/** A set of IPv4 and IPv6 networks, searched in the logarithm of their number. */
export class IgnoreList {
  readonly #ipv4: ByteRanges;
  readonly #ipv6: ByteRanges;
  readonly #ipv4AtPorts: AtPorts;
  readonly #ipv6AtPorts: AtPorts;
  /** What is in an IPv6 network must not be blocked with it. */
  readonly #ipv6Named: ByteRanges;

  /**
   * @param networks those that are ignored whatever they come to
   * @param atPorts those that are ignored at some ports; more than one may be of the same network
   */
  constructor(networks: readonly Network[], atPorts: readonly NetworkAtPorts[] = []) {
    this.#ipv4 = new ByteRanges(4, networks.filter(({ address }) => address.length === 4));
    this.#ipv6 = new ByteRanges(16, networks.filter(({ address }) => address.length === 16));
    this.#ipv4AtPorts = new AtPorts(4, atPorts);
    this.#ipv6AtPorts = new AtPorts(16, atPorts);
    const some = atPorts.map(({ network }) => network)
      .filter(({ prefix }) => prefix >= LEAST_NAMED_PREFIX);
    const named = [...networks, ...some].filter(({ address }) => address.length === 16);
    this.#ipv6Named = new ByteRanges(16, named);
  }

  /**
   * Whether a packet is to be ignored. Allocates nothing.
   *
   * @param version 4 or 6
   * @param address its source in network order, the first 4 or all 16 bytes of which count
   * @param protocol 6 for TCP, 17 for UDP, 1 for ICMP and ICMPv6
   * @param port the port it came to; of no meaning for ICMP
   */
  has(version: number, address: Uint8Array, protocol: number, port: number): boolean {
    return this.hasHost(version, address) ||
      (version === 4 ? this.#ipv4AtPorts : this.#ipv6AtPorts).has(protocol, port, address);
  }

  /**
   * Whether an IPv6 network holds hosts of the list, be it at some ports only: what one host of the
   * network has sent is no reason to keep those out. Whole providers that are ignored at some ports
   * do not count, as every network of theirs would be spared.
   */
  namesHostsOf({ address, prefix }: Network): boolean {
    return address.length === 16 && this.#ipv6Named.meets(address, setHostBits(address, prefix));
  }

  /** Whether everything is to be ignored that comes from an address. Allocates nothing. */
  hasHost(version: number, address: Uint8Array): boolean {
    return (version === 4 ? this.#ipv4 : this.#ipv6).has(address);
  }
}

/** The networks of one family that are ignored at some ports. */
class AtPorts {
  readonly #tcp: PortTree;
  readonly #udp: PortTree;
  readonly #icmp: ByteRanges;

  constructor(width: number, all: readonly NetworkAtPorts[]) {
    const { tcp, udp, icmp } = IGNORE_PROTOCOLS;
    const family = all.filter(({ network }) => network.address.length === width);
    this.#tcp = new PortTree(width, family.filter(({ protocol }) => protocol === tcp));
    this.#udp = new PortTree(width, family.filter(({ protocol }) => protocol === udp));
    const pingers = family.filter(({ protocol }) => protocol === icmp);
    this.#icmp = new ByteRanges(width, pingers.map(({ network }) => network));
  }

  has(protocol: number, port: number, address: Uint8Array): boolean {
    if (protocol === IGNORE_PROTOCOLS.icmp) return this.#icmp.has(address);
    return (protocol === IGNORE_PROTOCOLS.tcp ? this.#tcp : this.#udp).has(port, address);
  }
}

const PORTS = 65_536;

/**
 * A segment tree over the ports: node 1 stands for all of them, nodes 2n and 2n + 1 for the halves
 * of node n, node 65536 + port for one. A range is a few nodes, and a port is in 17, so that a
 * packet asks for 17 searches at most however many lines there are and however their ranges lie.
 */
class PortTree {
  readonly #nodes = new Map<number, ByteRanges>();
  /** Ports with any network at all; undefined when there are none. */
  readonly #ports: PortSet | undefined;

  constructor(width: number, all: readonly NetworkAtPorts[]) {
    if (all.length > 0) this.#ports = new PortSet(all.map(({ ports }) => ports));
    const networks = new Map<number, Network[]>();
    for (const { network, ports } of all) {
      for (const node of nodesOf(ports)) {
        const there = networks.get(node);
        if (there) there.push(network);
        else networks.set(node, [network]);
      }
    }
    for (const [node, some] of networks) this.#nodes.set(node, new ByteRanges(width, some));
  }

  has(port: number, address: Uint8Array): boolean {
    if (this.#ports === undefined || !this.#ports.has(port)) return false;
    for (let node = PORTS + port; node > 0; node >>>= 1) {
      const networks = this.#nodes.get(node);
      if (networks !== undefined && networks.has(address)) return true;
    }
    return false;
  }
}

/** The fewest nodes that stand for the ports of a range and for no others. */
function* nodesOf({ first, last }: PortRange): Iterable<number> {
  let low = PORTS + first;
  let end = PORTS + last + 1;
  for (; low < end; low >>>= 1, end >>>= 1) {
    if (low & 1) yield low++;
    if (end & 1) yield --end;
  }
}

/** Sorted, disjoint ranges of big-endian numbers, `width` bytes each. */
class ByteRanges {
  readonly #firsts: Uint8Array;
  readonly #lasts: Uint8Array;
  readonly #count: number;

  constructor(readonly width: number, networks: readonly Network[]) {
    const ranges = networks.map(({ address, prefix }) => ({
      first: address,
      last: setHostBits(address, prefix),
    })).sort((a, b) => compareBytes(a.first, b.first));
    // Two networks are disjoint or one holds the other: what does not end later is held already.
    const disjoint: typeof ranges = [];
    for (const range of ranges) {
      const before = disjoint.at(-1);
      if (!before || compareBytes(range.first, before.last) > 0) disjoint.push(range);
      else if (compareBytes(range.last, before.last) > 0) before.last = range.last;
    }
    this.#count = disjoint.length;
    this.#firsts = new Uint8Array(this.#count * width);
    this.#lasts = new Uint8Array(this.#count * width);
    disjoint.forEach(({ first, last }, i) => {
      this.#firsts.set(first, i * width);
      this.#lasts.set(last, i * width);
    });
  }

  has(address: Uint8Array): boolean {
    return this.meets(address, address);
  }

  /** Whether a range has an address from `first` to `last`. */
  meets(first: Uint8Array, last: Uint8Array): boolean {
    let low = 0;
    let high = this.#count;
    while (low < high) { // the number of ranges that start at or before the last address
      const middle = (low + high) >>> 1;
      if (this.#compare(this.#firsts, middle, last) <= 0) low = middle + 1;
      else high = middle;
    }
    return low > 0 && this.#compare(this.#lasts, low - 1, first) >= 0;
  }

  #compare(numbers: Uint8Array, index: number, address: Uint8Array): number {
    const start = index * this.width;
    for (let i = 0; i < this.width; i++) {
      const difference = numbers[start + i] - address[i];
      if (difference !== 0) return difference;
    }
    return 0;
  }
}
