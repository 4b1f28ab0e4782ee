/**
 * The interfaces to watch, and the addresses on them that are this host's own.
 *
 * @module
 */
import { listAddresses, listLinks } from "../../ffi/netlink.ts";
import { formatAddress } from "../packet/address.ts";

/** What `-i` can name besides an interface. */
export const InterfaceAlias = { All: "ALL", AllButLoopback: "ALL_NLO", Any: "any" } as const;

/** A network interface of this host. */
export interface Interface {
  name: string;
  up: boolean;
  loopback: boolean;
  /**
   * Its own addresses, link-local ones left out, as pcap-filter(7) names them: `192.0.2.1`,
   * `2001:db8::1`, or `127.0.0.0/8` where the whole network is the host's own.
   */
  addresses: string[];
}

/** Every interface this host has now. */
export function listInterfaces(): Interface[] {
  const addresses = listAddresses();
  return listLinks().map(({ index, name, up, loopback }) => ({
    name,
    up,
    loopback,
    addresses: addresses.filter((entry) => entry.index === index && !isLinkLocal(entry.address))
      .map(({ address, prefix }) => {
        const text = formatAddress(address.length === 4 ? 4 : 6, address);
        // The kernel takes all of 127.0.0.0/8 for itself, not 127.0.0.1 alone.
        return loopback && address[0] === 127 && address.length === 4
          ? networkOf(address, prefix)
          : text;
      }),
  }));
}

/** fe80::/10 (RFC 4291, section 2.5.6): everyone on the wire has one, and nobody is scanned by it. */
function isLinkLocal(address: Uint8Array): boolean {
  return address.length === 16 && address[0] === 0xfe && (address[1] & 0xc0) === 0x80;
}

function networkOf(address: Uint8Array, prefix: number): string {
  const masked = address.map((byte, i) =>
    byte & (0xff << (8 - Math.min(8, Math.max(0, prefix - i * 8))))
  );
  return `${formatAddress(4, masked)}/${prefix}`;
}

/** A device to capture on, and the addresses its filter holds. */
export interface Target {
  device: string;
  addresses: string[];
}

/** What to capture on, or what is wrong with the names, and what was passed over. */
export interface Selection {
  targets: Target[];
  faults: string[];
  /** Interfaces that cannot be watched as they are, with the reason. */
  skipped: string[];
}

/**
 * Finds the interfaces that `-i` names.
 *
 * @param names aliases or interface names, as the user wrote them; none stands for `ALL_NLO`
 */
export function selectInterfaces(names: readonly string[], interfaces: Interface[]): Selection {
  const wanted = [...new Set(names.length > 0 ? names : [InterfaceAlias.AllButLoopback])];
  const aliases = Object.values<string>(InterfaceAlias);
  if (wanted.length > 1 && wanted.some((name) => aliases.includes(name))) {
    const alias = wanted.find((name) => aliases.includes(name));
    return refuse(`${alias} stands for several interfaces and cannot be mixed with other names`);
  }
  if (wanted[0] === InterfaceAlias.Any) {
    const addresses = interfaces.flatMap((one) => one.addresses);
    return { targets: [{ device: "any", addresses }], faults: [], skipped: [] };
  }
  const selected = wanted[0] === InterfaceAlias.All
    ? interfaces
    : wanted[0] === InterfaceAlias.AllButLoopback
    ? interfaces.filter(({ loopback }) => !loopback)
    : interfaces.filter(({ name }) => wanted.includes(name));
  if (!aliases.includes(wanted[0])) {
    const unknown = wanted.filter((name) => !interfaces.some((one) => one.name === name));
    const known = interfaces.map(({ name }) => name).join(", ");
    if (unknown.length > 0) {
      return refuse(
        ...unknown.map((name) => `there is no interface "${name}": this host has ${known}`),
      );
    }
  }
  return selectable(selected);
}

function refuse(...faults: string[]): Selection {
  return { targets: [], faults, skipped: [] };
}

function selectable(interfaces: Interface[]): Selection {
  const selection: Selection = { targets: [], faults: [], skipped: [] };
  for (const { name, up, addresses } of interfaces) {
    if (!up) selection.skipped.push(`${name} is down`);
    else if (addresses.length === 0) selection.skipped.push(`${name} has no address of its own`);
    else selection.targets.push({ device: name, addresses });
  }
  return selection;
}
