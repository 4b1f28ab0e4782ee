/**
 * Sends many probes at a rate: `deno run -A flood.ts '{"packets":1000}'`, with the {@link Flood} as
 * JSON. It prints how many the kernel took.
 *
 * @module
 */
import { ethernet, ipv4, setIpChecksum, tcp } from "../frames.ts";

/** What is sent: SYNs, from as many sources as there are packets unless it says otherwise. */
export interface Flood {
  interface?: string;
  packets: number;
  /** Packets a second; as many as there can be unless it says otherwise. */
  rate?: number;
  /** Sources that take turns. */
  sources?: number;
  /** The first of them, as a number. */
  firstSource?: number;
  /** Ports from 1 on that take turns with the packets of a source. */
  ports?: number;
}

const AF_PACKET = 17; // <sys/socket.h>
const SOCK_RAW = 3;
const SOCKADDR_LL_BYTES = 20; // struct sockaddr_ll, <linux/if_packet.h>
const ETHERNET_BYTES = 14;
const SOURCE_OFFSET = ETHERNET_BYTES + 12;
const PORT_OFFSET = ETHERNET_BYTES + 20 + 2;
const BURST_MS = 5;

async function send(
  { interface: name = "eth0", packets, rate, sources = packets, firstSource, ports = 1024 }: Flood,
): Promise<number> {
  const { symbols } = Deno.dlopen(`/lib/${Deno.build.arch}-linux-gnu/libc.so.6`, {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    if_nametoindex: { parameters: ["buffer"], result: "u32" },
    bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  });
  const address = new DataView(new ArrayBuffer(SOCKADDR_LL_BYTES));
  address.setUint16(0, AF_PACKET, true);
  address.setInt32(4, symbols.if_nametoindex(new TextEncoder().encode(`${name}\0`)), true);
  const socket = symbols.socket(AF_PACKET, SOCK_RAW, 0);
  if (symbols.bind(socket, address, SOCKADDR_LL_BYTES) !== 0) throw new Error("no packet socket");
  const frame = ethernet(ipv4(tcp()));
  const view = new DataView(frame.buffer);
  const length = BigInt(frame.length);
  const start = performance.now();
  let sent = 0;
  for (let i = 0; i < packets; i++) {
    const wait = rate === undefined ? 0 : i / rate * 1000 - (performance.now() - start);
    if (wait > BURST_MS) await new Promise((resolve) => setTimeout(resolve, wait));
    view.setUint32(SOURCE_OFFSET, (firstSource ?? 0x0b00_0000) + i % sources);
    view.setUint16(PORT_OFFSET, 1 + Math.floor(i / sources) % ports);
    setIpChecksum(frame, ETHERNET_BYTES);
    if (Number(symbols.send(socket, frame, length, 0)) === frame.length) sent++;
  }
  return sent;
}

if (import.meta.main) console.log(await send(JSON.parse(Deno.args[0])));
