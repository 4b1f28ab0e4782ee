/**
 * The tables of /proc/net/tcp, tcp6, udp and udp6 (proc(5)), searched like the kernel searches its
 * sockets.
 *
 * @module
 */
import { type Packet, Protocol } from "../packet/packet.ts";

const TCP_LISTEN = 0x0a; // <net/tcp_states.h>
const MAPPED = "0000000000000000FFFF0000"; // ::ffff:0:0/96 as the table's little-endian words

interface Socket {
  /** 8 or 32 hexadecimal digits, as the kernel wrote them. */
  local: string;
  remote: string;
  remotePort: number;
}

/** Listening TCP sockets and all UDP sockets, by protocol and port; TCP connections if asked for. */
export class LocalSockets {
  readonly #sockets = new Map<number, Socket[]>();
  readonly #connections: boolean;

  constructor(
    tables: { protocol: Protocol; table: string }[],
    { connections = false }: { connections?: boolean } = {},
  ) {
    this.#connections = connections;
    for (const { protocol, table } of tables) {
      for (const line of table.split("\n").slice(1)) this.#add(protocol, line);
    }
  }

  /** Whether one of the sockets would take the packet. */
  takes({ protocol, version, destination, destinationPort, source, sourcePort }: Packet): boolean {
    const candidates = this.#sockets.get(protocol << 16 | destinationPort);
    if (!candidates) return false;
    const local = tableAddress(version, destination);
    const remote = tableAddress(version, source);
    return candidates.some((socket) =>
      matches(socket.local, local, version) &&
      (socket.remotePort === 0 ||
        (socket.remotePort === sourcePort && matches(socket.remote, remote, version)))
    );
  }

  #add(protocol: Protocol, line: string): void {
    const [, local, remote, state] = line.trim().split(/\s+/);
    const wanted = state !== undefined &&
      (protocol !== Protocol.Tcp || this.#connections || parseInt(state, 16) === TCP_LISTEN);
    if (!wanted) return;
    const [address, port] = local.split(":");
    const [remoteAddress, remotePort] = remote.split(":");
    const key = protocol << 16 | parseInt(port, 16);
    const socket = { local: address, remote: remoteAddress, remotePort: parseInt(remotePort, 16) };
    const others = this.#sockets.get(key);
    if (others) others.push(socket);
    else this.#sockets.set(key, [socket]);
  }
}

/** An address in the table's form: 32-bit words, each as a number of this little-endian machine. */
function tableAddress(version: number, bytes: Uint8Array): string {
  let text = "";
  for (let word = 0; word < (version === 4 ? 4 : 16); word += 4) {
    for (let i = 3; i >= 0; i--) text += bytes[word + i].toString(16).padStart(2, "0");
  }
  return text.toUpperCase();
}

/** Whether a socket's address is `address`, any address, or any address of both families. */
function matches(socket: string, address: string, version: number): boolean {
  if (/^0+$/.test(socket)) return socket.length === address.length || version === 4;
  return socket === address || (version === 4 && socket === MAPPED + address);
}
