/**
 * What people bring along from portsentry 1: keys and options that are gone, and values that no
 * longer do what they did. Each is told with what to write instead.
 *
 * @module
 */

/** Says what to write instead of a value. */
type Advice = (value: string) => string;

/** Keys that mean nothing any more, each with what to write instead of a value. */
export const DROPPED_KEYS: ReadonlyMap<string, Advice> = new Map<string, Advice>([
  ["ADVANCED_PORTS_TCP", (below) => advancedPorts("TCP", below)],
  ["ADVANCED_PORTS_UDP", (below) => advancedPorts("UDP", below)],
  ["ADVANCED_EXCLUDE_TCP", () => advancedExclude("TCP")],
  ["ADVANCED_EXCLUDE_UDP", () => advancedExclude("UDP")],
  ["TCP_MODE", (mode) => startupMode("TCP", mode)],
  ["UDP_MODE", (mode) => startupMode("UDP", mode)],
]);

const DEFAULT_BELOW = 1024;

/** The modes `-atcp` and `-audp` watched every port below the value. */
function advancedPorts(protocol: string, below: string): string {
  const number = /^\d{1,5}$/.test(below) ? Number(below) : 0;
  const last = (number >= 2 && number <= 65_536 ? number : DEFAULT_BELOW) - 1;
  return "leave the line out, or, to watch what -a" + protocol.toLowerCase() +
    ` did, write ${protocol}_PORTS="1-${last}"`;
}

function advancedExclude(protocol: string): string {
  return `leave the line out: ${protocol}_PORTS alone names the ports to watch, ` +
    "and ports of running services are not reported";
}

/** Debian's /etc/default/portsentry; empty and unknown modes are as good as the default. */
function startupMode(protocol: string, mode: string): string {
  return `leave the line out, and ${modeAdvice(mode) ?? `name the ports in ${protocol}_PORTS`}`;
}

/** What to do for a mode of version 1; undefined when it is none. */
function modeAdvice(mode: string): string | undefined {
  const [, kind, name] = /^([as]?)(tcp|udp)$/.exec(mode) ?? [];
  if (name === undefined) return undefined;
  const ports = `${name.toUpperCase()}_PORTS`;
  if (kind === "") return `start with --connect to listen on ${ports}, or without to watch quietly`;
  if (kind === "s") return `name the ports in ${ports}: --stealth is the default`;
  return `write a range such as ${ports}="1-${DEFAULT_BELOW - 1}": --stealth is the default`;
}

/**
 * The faults of a command line that still has the modes of version 1, such as `-stcp`.
 *
 * @param args the command line, without the program's name
 */
export function droppedOptions(args: readonly string[]): string[] {
  return args.flatMap((argument) => {
    const advice = argument.startsWith("-") ? modeAdvice(argument.slice(1)) : undefined;
    if (advice === undefined) return [];
    return [
      `option '${argument}' is of portsentry 1: leave it out, and ${advice}; ` +
      "one process watches TCP and UDP, and -D puts it into the background",
    ];
  });
}

/** Values that are taken as they stand and are surely not meant, each with what to say about it. */
const DOUBTFUL_VALUES: [key: string, value: RegExp, advice: (found: string) => string][] = [
  [
    "KILL_ROUTE",
    /\b333\.444\.555\.666?\b/,
    (gateway) =>
      `${gateway} is an example and no address: name a gateway, or write a command such as ` +
      '"/usr/sbin/ip route add blackhole $TARGET$"',
  ],
  [
    "KILL_ROUTE",
    /\b(?:ipfwadm|ipchains)\b/,
    (program) =>
      `${program} is gone from Linux: write a command such as ` +
      '"/usr/sbin/iptables -I INPUT -s $TARGET$ -j DROP"',
  ],
  [
    "KILL_HOSTS_DENY",
    /\\%/,
    () => 'the line goes into hosts.deny as it stands: write "%" without a backslash',
  ],
];

/** What to warn of in a value that version 1 wanted or suggested; undefined when nothing is. */
export function doubtfulValue(key: string, value: string): string | undefined {
  for (const [of, pattern, advice] of DOUBTFUL_VALUES) {
    const [found] = of === key ? pattern.exec(value) ?? [] : [];
    if (found !== undefined) return advice(found);
  }
  return undefined;
}
