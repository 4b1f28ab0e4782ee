import assert from "node:assert/strict";
import fc from "fast-check";
import { PortSet } from "../../src/config/ports.ts";
import { assembledFilters, handshakesProgram } from "../../src/sentry/bpf.ts";
import { bytes, icmp, ipv4, ipv6, SOURCE4, SOURCE6, tcp, u16, udp } from "../frames.ts";
import { accepts, assertLoadable, PACKET_OUTGOING } from "./bpf_machine.ts";

const own = (...addresses: number[][]) =>
  addresses.map((bytes) => ({ address: Uint8Array.from(bytes), prefix: bytes.length * 8 }));
const SIX = (n: number) => [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n >> 8, n & 255];

Deno.test("assembledFilters() accept TCP and UDP to own addresses and watched ports only", () => {
  const port = fc.integer({ min: 1, max: 65535 });
  fc.assert(
    fc.property(
      fc.array(port, { minLength: 1, maxLength: 20 }),
      port,
      fc.boolean(),
      fc.boolean(),
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 1, max: 4 }),
      (watched, other, isTcp, hit, flags, host) => {
        const ports = new PortSet(watched.map((one) => ({ first: one, last: one })));
        const { headers } = assembledFilters(
          own([192, 0, 2, 1], [192, 0, 2, 2], SIX(1), SIX(3)),
          { tcpPorts: ports, udpPorts: ports },
        );
        const to = hit ? watched[0] : other;
        const transport = isTcp ? tcp({ port: to, flags }) : udp({ port: to });
        const expected = ports.has(to) && (!isTcp || (flags & 0x14) === 0);
        const protocol = isTcp ? 6 : 17;
        const four = ipv4(transport, { protocol, destination: [192, 0, 2, host] });
        assert.equal(accepts(headers, four), expected && host <= 2);
        const six = ipv6(transport, { nextHeader: protocol, destination: SIX(host) });
        assert.equal(accepts(headers, six), expected && (host === 1 || host === 3));
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("assembledFilters() fit into the kernel's limit on a host with 300 IPv6 addresses", () => {
  const odd = new PortSet(
    Array.from({ length: 100 }, (_, i) => ({ first: 2 * i + 1, last: 2 * i + 1 })),
  );
  const addresses = own(...Array.from({ length: 300 }, (_, i) => SIX(i)));
  const { headers, extensions } = assembledFilters(addresses, { tcpPorts: odd, udpPorts: odd });
  assert.ok(headers.length / 8 <= 4096, `${headers.length / 8}`);
  assert.ok(extensions.length / 8 <= 4096, `${extensions.length / 8}`);
  assert.ok(accepts(headers, ipv6(tcp({ port: 199 }), { destination: SIX(299) })));
  assert.ok(!accepts(headers, ipv6(tcp({ port: 199 }), { destination: SIX(300) })));
});

const TARGETS = own([192, 0, 2, 1], SIX(1));
const PORTS = new PortSet([{ first: 20, last: 29 }]);
const [FIN, SYN, RST, PSH, ACK] = [1, 2, 4, 8, 16];

const EXTENDED: [name: string, frame: Uint8Array, classic: boolean, extended: boolean][] = [
  ["SYN", ipv4(tcp()), true, true],
  ["ACK", ipv4(tcp({ flags: ACK })), false, true],
  ["FIN+ACK", ipv4(tcp({ flags: FIN | ACK })), false, true],
  ["PSH+ACK over IPv6", ipv6(tcp({ flags: PSH | ACK })), false, true],
  ["SYN+ACK", ipv4(tcp({ flags: SYN | ACK })), false, false],
  ["SYN+ACK over IPv6", ipv6(tcp({ flags: SYN | ACK })), false, false],
  ["RST", ipv4(tcp({ flags: RST })), false, false],
  ["RST+ACK over IPv6", ipv6(tcp({ flags: RST | ACK })), false, false],
  ["ACK to another port", ipv4(tcp({ flags: ACK, port: 30 })), false, false],
  ["ACK to another host", ipv4(tcp({ flags: ACK }), { destination: [192, 0, 2, 7] }), false, false],
  ["an echo request", ipv4(icmp(8), { protocol: 1 }), false, true],
  ["an echo request with IP options", ipv4(icmp(8), { protocol: 1, options: 8 }), false, true],
  ["a timestamp request", ipv4(icmp(13), { protocol: 1 }), false, true],
  ["an address mask request", ipv4(icmp(17), { protocol: 1 }), false, true],
  ["an echo answer", ipv4(icmp(0), { protocol: 1 }), false, false],
  ["a first fragment of a ping", ipv4(icmp(8), { protocol: 1, fragment: 0x2000 }), false, true],
  ["a later fragment of a ping", ipv4(icmp(8), { protocol: 1, fragment: 0x2001 }), false, false],
  ["an echo request over IPv6", ipv6(icmp(128), { nextHeader: 58 }), false, true],
  ["a neighbour solicitation", ipv6(icmp(135), { nextHeader: 58 }), false, false],
];

for (const [name, frame, classic, extended] of EXTENDED) {
  Deno.test(`assembledFilters() know ${name} as DETECT says`, () => {
    const ports = { tcpPorts: PORTS, udpPorts: PORTS };
    for (const [detect, expected] of [["classic", classic], ["extended", extended]] as const) {
      const { headers } = assembledFilters(TARGETS, { ...ports, detect });
      assertLoadable(headers);
      assert.equal(accepts(headers, frame), expected, detect);
    }
  });
}

/** A segment from one port to another one. */
function from(port: number, flags: number): Uint8Array {
  return bytes(u16(port), tcp({ port: 443, flags }).subarray(2));
}

const HANDSHAKES: [name: string, frame: Uint8Array, passes: boolean][] = [
  ["our SYN", ipv4(from(25, SYN), { source: [192, 0, 2, 1] }), true],
  ["our SYN over IPv6", ipv6(from(25, SYN), { source: SIX(1) }), true],
  ["our SYN+ACK", ipv4(from(25, SYN | ACK), { source: [192, 0, 2, 1], options: 8 }), true],
  ["our ACK", ipv4(from(25, ACK), { source: [192, 0, 2, 1] }), false],
  ["our ACK over IPv6", ipv6(from(25, ACK), { source: SIX(1) }), false],
  ["our SYN from another port", ipv4(from(30, SYN), { source: [192, 0, 2, 1] }), false],
  ["a SYN that is passed on", ipv4(from(25, SYN), { source: SOURCE4 }), false],
  ["a SYN over IPv6 that is passed on", ipv6(from(25, SYN), { source: SOURCE6 }), false],
  ["our datagram", ipv4(from(25, SYN), { source: [192, 0, 2, 1], protocol: 17 }), false],
];

for (const [name, frame, passes] of HANDSHAKES) {
  Deno.test(`handshakesProgram() ${passes ? "lets" : "does not let"} ${name} pass`, () => {
    const program = handshakesProgram(TARGETS, PORTS);
    assertLoadable(program);
    assert.equal(accepts(program, frame, PACKET_OUTGOING), passes);
    assert.ok(!accepts(program, frame), "it is forged: it comes from outside");
  });
}
