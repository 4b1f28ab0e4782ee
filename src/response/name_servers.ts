/**
 * The name servers of this host, as resolv.conf(5) has them.
 *
 * @module
 */
import { readSystemFile, SystemError } from "../../ffi/libc.ts";
import { parseNetwork } from "../config/network.ts";
import { RESOLV_CONF_BYTES } from "../limits.ts";

/**
 * The resolver's own file, and those where the servers stand that a resolver on this host asks itself:
 * resolv.conf then names 127.0.0.53 or 127.0.0.1 alone. They are systemd-resolved's, NetworkManager's
 * for its dnsmasq, and resolvconf(8)'s for Debian's dnsmasq.
 */
const FILES = [
  "/etc/resolv.conf",
  "/run/systemd/resolve/resolv.conf",
  "/run/NetworkManager/no-stub-resolv.conf",
  "/run/dnsmasq/resolv.conf",
];
const ENOENT = 2;

/**
 * Reads the addresses of the `nameserver` lines, 4 or 16 bytes each. A zone as in `fe80::1%eth0` is
 * left out, and so is a line that names no address.
 */
export function parseNameServers(text: string): Uint8Array[] {
  return text.split("\n").flatMap((line) => {
    const [, address] = /^\s*nameserver\s+([^\s%]+)/.exec(line) ?? [];
    // A prefix has no place here; with one, the whole network would seem to be a name server.
    const network = address === undefined || address.includes("/")
      ? undefined
      : parseNetwork(address);
    return network ? [network.address] : [];
  });
}

/**
 * The name servers that this host has now. A file that is not there names none.
 *
 * @throws {SystemError} when a file cannot be read
 */
export function readNameServers(files: readonly string[] = FILES): Uint8Array[] {
  return files.flatMap((file) => parseNameServers(readIfThere(file)));
}

function readIfThere(file: string): string {
  try {
    const text = readSystemFile(file, RESOLV_CONF_BYTES);
    // What was cut off might make another address of the last line.
    return text.length < RESOLV_CONF_BYTES ? text : text.slice(0, text.lastIndexOf("\n") + 1);
  } catch (error) {
    if (error instanceof SystemError && error.errno === ENOENT) return "";
    throw error;
  }
}
