/**
 * Services for the tests: `deno run -A listener.ts tcp/192.0.2.1/80 udp/::/53 …` listens until its
 * standard input ends. `udp/ADDRESS/PORT/PEER/PEERPORT` connects an IPv4 socket to a peer.
 *
 * @module
 */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";

/** A UDP socket that the kernel itself knows to be connected; the runtime's own only pretend. */
function connectedSocket(local: string, port: number, peer: string, peerPort: number): void {
  const AF_INET = 2;
  const SOCK_DGRAM = 2;
  const { symbols } = Deno.dlopen(`/lib/${Deno.build.arch}-linux-gnu/libc.so.6`, {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  });
  const address = (host: string, port: number) => {
    const bytes = new DataView(new ArrayBuffer(16)); // struct sockaddr_in
    bytes.setUint16(0, AF_INET, true);
    bytes.setUint16(2, port);
    host.split(".").forEach((byte, i) => bytes.setUint8(4 + i, Number(byte)));
    return bytes;
  };
  const socket = symbols.socket(AF_INET, SOCK_DGRAM, 0);
  if (symbols.bind(socket, address(local, port), 16) !== 0) throw new Error("bind");
  if (symbols.connect(socket, address(peer, peerPort), 16) !== 0) throw new Error("connect");
}

await Promise.all(Deno.args.map((service) => {
  const [protocol, host, port, peer, peerPort] = service.split("/");
  return new Promise<void>((resolve, reject) => {
    if (protocol === "tcp") {
      createServer().on("error", reject).listen(Number(port), host, () => resolve());
    } else if (peer !== undefined) {
      connectedSocket(host, Number(port), peer, Number(peerPort));
      resolve();
    } else {
      createSocket(host.includes(":") ? "udp6" : "udp4").on("error", reject)
        .bind(Number(port), host, () => resolve());
    }
  });
}));
console.log("listening");
for await (const _ of Deno.stdin.readable);
Deno.exit();
