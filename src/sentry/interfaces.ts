/**
 * The interfaces to watch, and the addresses on them that are this host's own.
 *
 * @module
 */
import { listAddresses, listLinks } from "../../ffi/netlink.ts";

/** What `-i` can name besides an interface. */
export const InterfaceAlias = { All: "ALL", AllButLoopback: "ALL_NLO", Any: "any" } as const;

/** An address that is this host's own, or a network all of whose addresses are. */
export interface OwnNetwork {
  /** 4 or 16 bytes in network order. */
  address: Uint8Array;
  /** Length of the prefix in bits: 32 or 128 for the one address. */
  prefix: number;
}

/** A network interface of this host. */
export interface Interface {
  index: number;
  name: string;
  up: boolean;
  loopback: boolean;
  /** Another interface takes its packets: a bridge, bond or VRF. */
  enslaved: boolean;
  /** Its own addresses, link-local ones left out. */
  addresses: OwnNetwork[];
}

/** Every interface this host has now. */
export function listInterfaces(): Interface[] {
  const addresses = listAddresses();
  return listLinks().map((link) => ({
    ...link,
    addresses: addresses.filter(({ index, address }) =>
      index === link.index && !isLinkLocal(address)
    ).map(({ address, prefix }) => ({
      address,
      // The kernel takes all of 127.0.0.0/8 for itself, not 127.0.0.1 alone.
      prefix: link.loopback && address.length === 4 && address[0] === 127
        ? prefix
        : address.length * 8,
    })),
  }));
}

/** fe80::/10 (RFC 4291, section 2.5.6): everyone on the wire has one, and nobody is scanned by it. */
function isLinkLocal(address: Uint8Array): boolean {
  return address.length === 16 && address[0] === 0xfe && (address[1] & 0xc0) === 0x80;
}

/** A device to capture on, and the addresses its filter holds. */
export interface Target {
  device: string;
  /** Index of the interface; 0 for a device that stands for several. */
  index: number;
  /** At least one. */
  addresses: OwnNetwork[];
  /** Indices of interfaces whose packets are seen again on a master. */
  enslaved: ReadonlySet<number>;
}

/** What to capture on, or what is wrong with the names, and what was passed over. */
export interface Selection {
  targets: Target[];
  faults: string[];
  /** Interfaces that cannot be watched as they are now, with the reason. */
  skipped: string[];
}

/**
 * Finds the interfaces that `-i` names.
 *
 * @param names aliases or interface names, as the user wrote them; none stands for `ALL_NLO`
 */
export function selectInterfaces(
  names: readonly string[],
  interfaces: readonly Interface[],
): Selection {
  const wanted = [...new Set(names.length > 0 ? names : [InterfaceAlias.AllButLoopback])];
  const alias = wanted.find((name) => Object.values<string>(InterfaceAlias).includes(name));
  if (alias && wanted.length > 1) {
    return refuse([`${alias} stands for several interfaces and cannot be mixed with other names`]);
  }
  if (alias === InterfaceAlias.Any) return selectAny(interfaces);
  if (alias === InterfaceAlias.All) return selectUsable(interfaces);
  if (alias) return selectUsable(interfaces.filter(({ loopback }) => !loopback));
  const known = interfaces.map(({ name }) => name);
  const unknown = wanted.filter((name) => !known.includes(name));
  const selection = selectUsable(interfaces.filter(({ name }) => wanted.includes(name)));
  const has = known.join(", ");
  selection.faults.push(
    ...unknown.map((name) => `there is no interface "${name}": this host has ${has}`),
  );
  return selection;
}

function refuse(faults: string[]): Selection {
  return { targets: [], faults, skipped: [] };
}

function selectAny(interfaces: readonly Interface[]): Selection {
  const addresses = interfaces.flatMap((one) => one.addresses);
  const target = {
    device: InterfaceAlias.Any,
    index: 0,
    addresses,
    enslaved: enslavedAmong(interfaces),
  };
  return { targets: addresses.length > 0 ? [target] : [], faults: [], skipped: [] };
}

/** Indices of the interfaces whose packets are seen again on a master. */
export function enslavedAmong(interfaces: readonly Interface[]): ReadonlySet<number> {
  return new Set(interfaces.filter((one) => one.enslaved).map(({ index }) => index));
}

function selectUsable(interfaces: readonly Interface[]): Selection {
  const selection = refuse([]);
  for (const { name, index, up, addresses } of interfaces) {
    if (!up) selection.skipped.push(`${name} is down`);
    else if (addresses.length === 0) selection.skipped.push(`${name} has no address of its own`);
    else selection.targets.push({ device: name, index, addresses, enslaved: new Set() });
  }
  return selection;
}
