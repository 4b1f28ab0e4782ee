/**
 * The ignore file: sources that are never acted on, be it at all ports or at some.
 *
 * @module
 */
import { quote } from "../text.ts";
import type { Fault } from "./fault.ts";
import { IGNORE_PROTOCOLS, IgnoreList, type NetworkAtPorts } from "./ignore_list.ts";
import { type Network, parseAddress, parseNetwork } from "./network.ts";
import { parseElement } from "./ports.ts";

/** An ignore list, or everything that is wrong with its file. */
export type ParsedIgnoreFile = { ignore: IgnoreList } | { faults: Fault[] };

/**
 * Reads an ignore file: an IPv4 or IPv6 address or CIDR a line, maybe with ports or `icmp` behind
 * it, or `*` with those; blank lines, and comments from `#` to the end of a line.
 *
 * @param file the file's name, for the faults
 */
export function parseIgnoreFile(text: string, file: string): ParsedIgnoreFile {
  const networks: Network[] = [];
  const atPorts: NetworkAtPorts[] = [];
  const faults: Fault[] = [];
  // A bare CR ends a line for many editors: what looks like a line must not be part of a comment.
  text.split(/\r\n?|\n/).forEach((raw, index) => {
    const entry = raw.replace(/#.*/s, "").trim();
    if (entry === "") return;
    const line = parseLine(entry);
    for (const message of line.faults) faults.push({ where: file, line: index + 1, message });
    if (line.ports === undefined) networks.push(...line.networks);
    for (const ports of line.ports ?? []) {
      for (const network of line.networks) atPorts.push({ network, ...ports });
    }
  });
  return faults.length > 0 ? { faults } : { ignore: new IgnoreList(networks, atPorts) };
}

type Ports = Omit<NetworkAtPorts, "network">;

interface Line {
  /** Two for `*`. */
  networks: Network[];
  /** Undefined when the line is about all ports. */
  ports?: Ports[];
  faults: string[];
}

const ANY = "*";
const ANY_SOURCE: Network[] = [
  { address: new Uint8Array(4), prefix: 0 },
  { address: new Uint8Array(16), prefix: 0 },
];

function parseLine(entry: string): Line {
  const [source, ...items] = entry.split(/\s*,\s*|\s+/);
  const networks = parseSource(source);
  const faults: string[] = [];
  if (networks.length === 0) faults.push(`Cannot parse ${quote(source)}: ${adviceFor(source)}`);
  else if (source === ANY && items.length === 0) faults.push(BARE_ANY);
  const ports: Ports[] = [];
  for (const item of items) {
    // A line of prose is one fault, and not one a word.
    if (networks.length === 0 && !isItem(item)) continue;
    const parsed = parseItem(item);
    if (typeof parsed === "string") faults.push(parsed);
    else ports.push(parsed);
  }
  return { networks, faults, ...(items.length > 0 && { ports }) };
}

function parseSource(source: string): Network[] {
  if (source === ANY) return ANY_SOURCE;
  const network = parseNetwork(source);
  return network ? [network] : [];
}

const BARE_ANY = `"*" is every source: name the ports at which all are ignored, such as ` +
  `"* tcp/113"; to act on nobody, set BLOCK_TCP and BLOCK_UDP to "0"`;

const ICMP_ITEM = /^icmp$/i;
const NO_PORTS = { first: 0, last: 0 };
const PORT_ITEM = /^(tcp|udp)\/(.+)$/i;

/** `udp/161`, `tcp/8000-8100` or `icmp`, or what is wrong with it. */
function parseItem(item: string): Ports | string {
  if (item === "") return "A port is missing between two commas or at an end of the line";
  if (ICMP_ITEM.test(item)) return { protocol: IGNORE_PROTOCOLS.icmp, ports: NO_PORTS };
  const [, name, element] = PORT_ITEM.exec(item) ?? [];
  if (name === undefined) {
    return `Cannot parse ${quote(item)}: write ports such as udp/161 or tcp/8000-8100, or icmp` +
      (parseNetwork(item) ? ", and every address on a line of its own" : "");
  }
  const ports = parseElement(element);
  if (typeof ports === "string") return `${quote(item)}: ${ports}`;
  return { protocol: IGNORE_PROTOCOLS[name.toLowerCase() as keyof typeof IGNORE_PROTOCOLS], ports };
}

function isItem(word: string): boolean {
  return ICMP_ITEM.test(word) || PORT_ITEM.test(word);
}

function adviceFor(entry: string): string {
  if (isItem(entry)) {
    return `write the sources before the ports, or "*" for all, such as ${quote(`* ${entry}`)}`;
  }
  const [host, prefix] = entry.split("/");
  if (prefix !== undefined && parseAddress(host)) {
    const most = host.includes(":") ? 128 : 32;
    return `the prefix after "/" must be a number from 0 to ${most}`;
  }
  return "write an IPv4 or IPv6 address or CIDR such as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32";
}
