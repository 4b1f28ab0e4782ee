/**
 * The tables of /proc/net/tcp and tcp6 (proc(5)): who listens and who is connected, for kernels that
 * do not tell it by sock_diag(7).
 *
 * @module
 */
import { readSystemFile, SystemError } from "../../ffi/libc.ts";

const TCP_ESTABLISHED = "01"; // <net/tcp_states.h>
const TCP_LISTEN = "0A";
const MAPPED = "0000000000000000FFFF0000"; // ::ffff:0:0/96 as the table's little-endian words
const LINE =
  /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4} ([0-9A-F]{2}) /;

/** What the tables say of one socket. */
export interface TcpSocket {
  localPort: number;
  listening: boolean;
  /** The other end of a connection: 16 bytes, IPv4 as `::ffff:192.0.2.1`. */
  peer: Uint8Array;
}

/** Listening and established sockets of a table's text. */
export function parseTcpTable(table: string): TcpSocket[] {
  return table.split("\n").flatMap((line) => {
    const [, port, remote, state] = LINE.exec(line) ?? [];
    if (state !== TCP_LISTEN && state !== TCP_ESTABLISHED) return [];
    return [{
      localPort: parseInt(port, 16),
      listening: state === TCP_LISTEN,
      peer: addressOf(remote.length === 8 ? MAPPED + remote : remote),
    }];
  });
}

/** 32-bit words, each as a number of this little-endian machine. */
function addressOf(digits: string): Uint8Array {
  const bytes = Uint8Array.fromHex(digits);
  for (let word = 0; word < bytes.length; word += 4) bytes.subarray(word, word + 4).reverse();
  return bytes;
}

/**
 * Reads both tables.
 *
 * @throws {SystemError} when there is not even the one for IPv4
 */
export function readTcpTables(): TcpSocket[] {
  const ipv4 = parseTcpTable(readSystemFile("/proc/net/tcp"));
  try {
    return [...ipv4, ...parseTcpTable(readSystemFile("/proc/net/tcp6"))];
  } catch (error) {
    if (error instanceof SystemError) return ipv4; // a kernel without IPv6
    throw error;
  }
}
