/**
 * What FIREWALL may name, and what to write instead of the tools that people know by name.
 *
 * @module
 */
import { quote } from "../text.ts";

/** A command of each tool that blocks `$TARGET$`. */
const COMMANDS: ReadonlyMap<string, string> = new Map([
  ["firewalld", "/usr/bin/firewall-cmd --zone=drop --add-source=$TARGET$"],
  ["ipset", "/usr/sbin/ipset -exist add scanners $TARGET$"],
  ["iptables", "/usr/sbin/iptables -w -I INPUT -s $TARGET$ -j DROP"],
  ["pf", "/sbin/pfctl -t scanners -T add $TARGET$"],
  ["ufw", "/usr/sbin/ufw prepend deny from $TARGET$"],
]);

/** What is wrong with a value of FIREWALL; undefined when it is `nftables`. */
export function firewallFault(value: string): string | undefined {
  if (value === "nftables") return undefined;
  const command = COMMANDS.get(value);
  const instead = command === undefined
    ? "or leave the line out"
    : `or leave the line out and set KILL_ROUTE="${command}"`;
  return `Cannot use ${quote(value)}: write "nftables", ${instead}`;
}
