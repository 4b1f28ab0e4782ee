/**
 * Sends lone SYNs from the scanning host and waits after each until a file changes or a FIFO can be
 * read: `deno run -A probe.ts modify|read PATH COUNT [FIRST]`. Prints the times between, in ms; null
 * when nothing came for 10 s.
 *
 * @module
 */
import { ethernet, ipv4, tcp } from "../tests/frames.ts";

const AF_PACKET = 17; // <sys/socket.h>
const SOCK_RAW = 3;
const IN_MODIFY = 2; // <sys/inotify.h>
const O_RDWR = 2; // opens a FIFO without waiting for its other end
const CLOCK_MONOTONIC = 1;
const POLLIN = 1; // <poll.h>
const PAUSE_MS = 25;
const WAIT_MS = 10_000;

const { symbols } = Deno.dlopen(`/lib/${Deno.build.arch}-linux-gnu/libc.so.6`, {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  if_nametoindex: { parameters: ["buffer"], result: "u32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32" },
  inotify_init1: { parameters: ["i32"], result: "i32" },
  inotify_add_watch: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
});

const cString = (text: string) => new TextEncoder().encode(`${text}\0`);
const clock = new BigInt64Array(2);

/** A clock that is read by one call and nothing else. */
function nowMs(): number {
  symbols.clock_gettime(CLOCK_MONOTONIC, clock);
  return Number(clock[0]) * 1000 + Number(clock[1]) / 1e6;
}

const [mode, path, count, first = "0"] = Deno.args;
const socket = symbols.socket(AF_PACKET, SOCK_RAW, 0);
const address = new DataView(new ArrayBuffer(20)); // struct sockaddr_ll
address.setUint16(0, AF_PACKET, true);
address.setInt32(4, symbols.if_nametoindex(cString("eth0")), true);

let fd: number;
if (mode === "modify") {
  fd = symbols.inotify_init1(0);
  symbols.inotify_add_watch(fd, cString(path), IN_MODIFY);
} else fd = symbols.open(cString(path), O_RDWR);
const buffer = new Uint8Array(4096);
const polled = new DataView(new ArrayBuffer(8)); // struct pollfd
polled.setInt32(0, fd, true);
polled.setInt16(4, POLLIN, true);

const times: number[] = [];
for (let i = 0; i < Number(count); i++) {
  const n = Number(first) + i;
  const source = [10, 200, n >> 8 & 0xff, n & 0xff];
  const frame = ethernet(ipv4(tcp({ port: 23 }), { source }));
  const start = nowMs();
  symbols.sendto(socket, frame, BigInt(frame.length), 0, address, 20);
  if (symbols.poll(polled, 1n, WAIT_MS) === 0) {
    console.log("null");
    Deno.exit();
  }
  symbols.read(fd, buffer, BigInt(buffer.length));
  times.push(nowMs() - start);
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
console.log(JSON.stringify(times));
