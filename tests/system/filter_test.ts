import assert from "node:assert/strict";
import {
  authentication,
  bytes,
  ethernet,
  extension,
  fragmentHeader,
  icmp,
  ipv4,
  ipv6,
  tcp,
  udp,
} from "../frames.ts";
import { Network } from "./network.ts";
import { DOUBT_MS } from "../../src/limits.ts";
import { METHODS, Program } from "./program.ts";

const frame4 = (ip: Uint8Array) => ethernet(ip);
const frame6 = (nextHeader: number, payload: Uint8Array) =>
  ethernet(ipv6(payload, { nextHeader }), 0x86dd);

/** One port a frame, so that each event tells which frame caused it. */
const PROBES: [name: string, frame: (port: number) => Uint8Array][] = [
  ["TCP over IPv4", (port) => frame4(ipv4(tcp({ port })))],
  ["TCP with 40 bytes of IP options", (port) => frame4(ipv4(tcp({ port }), { options: 40 }))],
  ["TCP with 40 bytes of TCP options", (port) => frame4(ipv4(tcp({ port, options: 40 })))],
  [
    "a first fragment with the whole TCP header",
    (port) => frame4(ipv4(tcp({ port }), { fragment: 0x2000 })),
  ],
  ["802.1Q", (port) => ethernet(ipv4(tcp({ port })), 0x0800, [0x8100])],
  ["TCP over IPv6", (port) => frame6(6, tcp({ port }))],
  ["UDP over IPv6", (port) => frame6(17, udp({ port }))],
  ["hop-by-hop options", (port) => frame6(0, bytes(extension(6), tcp({ port })))],
  [
    "destination options of 1200 bytes",
    (port) => frame6(60, bytes(extension(6, 149), tcp({ port }))),
  ],
  ["a routing header", (port) => frame6(43, bytes(extension(17, 2), udp({ port })))],
  ["an authentication header", (port) => frame6(51, bytes(authentication(6), tcp({ port })))],
  [
    "an IPv6 first fragment",
    (port) => frame6(44, bytes(fragmentHeader(6, 0, true), tcp({ port }))),
  ],
  [
    "a chain of headers",
    (port) => frame6(0, bytes(extension(43), extension(60), extension(6), tcp({ port }))),
  ],
];

const FIRST_PORT = 1001;

const FOREIGN: [name: string, frame: Uint8Array][] = [
  ["a packet to another host", frame4(ipv4(tcp({ port: 1001 }), { destination: [192, 0, 2, 77] }))],
  ["an ACK", frame4(ipv4(tcp({ port: 1001, flags: 0x10 })))],
  ["an RST over IPv6", frame6(6, tcp({ port: 1001, flags: 0x04 }))],
  [
    "an ACK behind an extension header",
    frame6(60, bytes(extension(6), tcp({ port: 1001, flags: 0x10 }))),
  ],
  ["a port that is not watched", frame4(ipv4(tcp({ port: 999 })))],
  ["ICMPv6 behind an extension header", frame6(0, bytes(extension(58), new Uint8Array(8)))],
  ["a later fragment", frame4(ipv4(tcp({ port: 1001 }), { fragment: 1 }))],
];

const WAYS: typeof METHODS = [...METHODS, ["-i any", { args: ["-i", "any"] }]];

for (const [name, method] of WAYS) {
  Deno.test(`the kernel filter of ${name} lets every kind of probe through, once`, async () => {
    await using network = await Network.create();
    await using program = await Program.start({
      ...method,
      config: 'TCP_PORTS="1001-1100"\nUDP_PORTS="1001-1100"',
      namespace: network.watched,
    });
    // A packet socket leaves tagged frames to the VLAN's own interface, which brings them again.
    const probes = PROBES.filter(([probe]) => probe !== "802.1Q" || !name.startsWith("-m raw"));
    await network.inject([
      ...FOREIGN.map(([, frame]) => frame),
      ...probes.map(([, frame], i) => frame(FIRST_PORT + i)),
    ]);
    const ports = (await program.events(probes.length))
      .map((line) => Number(/port: \[(\d+)\]/.exec(line)?.[1])).sort();
    const names = ports.map((port) => probes[port - FIRST_PORT][0]);
    assert.deepEqual(names, probes.map(([name]) => name));
  });
}

const ACK = 0x10;

/** Probes of DETECT="extended", in the order they are told; what it leaves out stands between them. */
const EXTENDED: [type: string | undefined, frame: Uint8Array][] = [
  ["TCP ACK scan", frame4(ipv4(tcp({ port: 1001, flags: ACK })))],
  [undefined, frame4(ipv4(tcp({ port: 1001, flags: ACK | 0x02 })))],
  ["TCP ACK scan", frame4(ipv4(tcp({ port: 1002, flags: ACK }), { options: 40 }))],
  [undefined, frame6(6, tcp({ port: 1001, flags: ACK | 0x04 }))],
  ["TCP Maimon scan", frame6(6, tcp({ port: 1003, flags: ACK | 0x01 }))],
  [undefined, frame4(ipv4(icmp(0), { protocol: 1 }))],
  ["ICMP echo request", frame4(ipv4(icmp(8), { protocol: 1 }))],
  [undefined, frame6(58, icmp(129))],
  ["ICMP echo request", frame6(58, icmp(128))],
  [undefined, frame4(ipv4(icmp(8), { protocol: 1, destination: [192, 0, 2, 77] }))],
  ["ICMP timestamp request", frame4(ipv4(icmp(13), { protocol: 1, options: 8 }))],
  [undefined, frame4(ipv4(icmp(13), { protocol: 1, fragment: 0x2001 }))],
  ["ICMP address mask request", frame4(ipv4(icmp(17), { protocol: 1, fragment: 0x2000 }))],
  [undefined, frame4(ipv4(tcp({ port: 999, flags: ACK })))],
  ["TCP SYN/Normal scan", frame4(ipv4(tcp({ port: 1004 })))],
];

for (const [name, method] of WAYS) {
  Deno.test(`the kernel filter of ${name} lets what DETECT="extended" adds through, once`, async () => {
    await using network = await Network.create();
    await using program = await Program.start({
      ...method,
      config: 'TCP_PORTS="1001-1100"\nDETECT="extended"',
      namespace: network.watched,
    });
    await new Promise((resolve) => setTimeout(resolve, DOUBT_MS + 100));
    await network.inject(EXTENDED.map(([, frame]) => frame));
    const expected = EXTENDED.flatMap(([type]) => type === undefined ? [] : [type]);
    const types = (await program.events(expected.length))
      .map((line) => /type: \[([^\]]+)\]/.exec(line)?.[1]);
    assert.deepEqual(types, expected);
  });
}

for (const [name, method] of METHODS) {
  Deno.test(`${name} reports the right ports when there are more than its filter can tell apart`, async () => {
    await using network = await Network.create();
    const odd = Array.from({ length: 3000 }, (_, i) => 2 * i + 1);
    await using program = await Program.start({
      ...method,
      config: `TCP_PORTS="${odd.join(",")}"\nUDP_PORTS="${odd.join(",")}"`,
      namespace: network.watched,
    });
    await network.nmap("-sS -p 1-100 192.0.2.1");
    const ports = (await program.events(50)).map((line) =>
      Number(/port: \[(\d+)\]/.exec(line)?.[1])
    );
    assert.deepEqual(ports.sort((a, b) => a - b), odd.slice(0, 50));
  });
}
