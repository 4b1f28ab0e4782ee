/**
 * Sends lone SYNs from the scanning host, and after each a train of datagrams from the same source
 * to an open port of the watched one, until they are dropped there: `deno run -A drop_probe.ts
 * NAMESPACE COUNT`. Prints the times from a SYN to the first datagram that was dropped, in ms; null
 * when none was for 3 s.
 *
 * A veth pair delivers in the sender's own call, so a datagram is there when it has been sent, or it
 * never will be. Between them this sleeps, as a sender far away would take no core from the one that is
 * measured: a time is up to 0.15 ms too long by that, never too short.
 *
 * @module
 */
import { ethernet, ipv4, tcp, udp } from "../tests/frames.ts";

const AF_INET = 2; // <sys/socket.h>
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const CLONE_NEWNET = 0x4000_0000; // <linux/sched.h>
const CLOCK_MONOTONIC = 1;
const PR_SET_TIMERSLACK = 29; // <linux/prctl.h>
const PORT = 40_001;
const PAUSE_MS = 25;
const WAIT_MS = 3000;
const BETWEEN_US = 20;

const { symbols } = Deno.dlopen(`/lib/${Deno.build.arch}-linux-gnu/libc.so.6`, {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  if_nametoindex: { parameters: ["buffer"], result: "u32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  setns: { parameters: ["i32", "i32"], result: "i32" },
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  prctl: { parameters: ["i32", "u64"], result: "i32" },
  usleep: { parameters: ["u32"], result: "i32" },
});

const cString = (text: string) => new TextEncoder().encode(`${text}\0`);
const clock = new BigInt64Array(2);

function nowMs(): number {
  symbols.clock_gettime(CLOCK_MONOTONIC, clock);
  return Number(clock[0]) * 1000 + Number(clock[1]) / 1e6;
}

// A sleep is as long as is asked for, not up to 50 us longer.
symbols.prctl(PR_SET_TIMERSLACK, 1n);

const [namespace, count] = Deno.args;
const sender = symbols.socket(AF_PACKET, SOCK_RAW, 0);
const link = new DataView(new ArrayBuffer(20)); // struct sockaddr_ll
link.setUint16(0, AF_PACKET, true);
link.setInt32(4, symbols.if_nametoindex(cString("eth0")), true);

// A socket belongs to the namespace in which it was made.
symbols.setns(symbols.open(cString(`/run/netns/${namespace}`), 0), CLONE_NEWNET);
const receiver = symbols.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
const any = new DataView(new ArrayBuffer(16)); // struct sockaddr_in
any.setUint16(0, AF_INET, true);
any.setUint16(2, PORT);
if (symbols.bind(receiver, any, 16) !== 0) throw new Error("cannot bind");
const buffer = new Uint8Array(64);

/** Whether a datagram from a source arrives. */
function arrives(datagram: Uint8Array<ArrayBuffer>): boolean {
  symbols.sendto(sender, datagram, BigInt(datagram.length), 0, link, 20);
  return symbols.recv(receiver, buffer, BigInt(buffer.length), 0) >= 0;
}

const times: number[] = [];
for (let i = 0; i < Number(count); i++) {
  const source = [10, 201, i >> 8, i & 0xff];
  const syn = ethernet(ipv4(tcp({ port: 23 }), { source }));
  const datagram = ethernet(ipv4(udp({ port: PORT }), { source, protocol: 17 }));
  if (!arrives(datagram)) throw new Error("dropped before it began");
  const start = nowMs();
  symbols.sendto(sender, syn, BigInt(syn.length), 0, link, 20);
  while (arrives(datagram)) {
    if (nowMs() - start > WAIT_MS) {
      console.log("null");
      Deno.exit();
    }
    symbols.usleep(BETWEEN_US);
  }
  times.push(nowMs() - start);
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
console.log(JSON.stringify(times));
