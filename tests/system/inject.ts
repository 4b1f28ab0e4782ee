/**
 * Sends frames as they are: `deno run -A inject.ts INTERFACE HEX…`.
 *
 * @module
 */
const AF_PACKET = 17; // <sys/socket.h>
const SOCK_RAW = 3;
const SOCKADDR_LL_BYTES = 20; // struct sockaddr_ll, <linux/if_packet.h>

const { symbols } = Deno.dlopen(`/lib/${Deno.build.arch}-linux-gnu/libc.so.6`, {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  if_nametoindex: { parameters: ["buffer"], result: "u32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
});

const [name, ...frames] = Deno.args;
const address = new DataView(new ArrayBuffer(SOCKADDR_LL_BYTES));
address.setUint16(0, AF_PACKET, true);
address.setInt32(4, symbols.if_nametoindex(new TextEncoder().encode(`${name}\0`)), true);
const socket = symbols.socket(AF_PACKET, SOCK_RAW, 0);
if (socket < 0) throw new Error("no packet socket");
for (const hex of frames) {
  const frame = Uint8Array.fromHex(hex);
  const sent = symbols.sendto(
    socket,
    frame,
    BigInt(frame.length),
    0,
    address,
    SOCKADDR_LL_BYTES,
  );
  if (Number(sent) !== frame.length) throw new Error(`sent ${sent} of ${frame.length} bytes`);
}
