/**
 * What the kernel tells and what it is given: netlink answers, /proc/net, packet filters.
 *
 * @module
 */
import assert from "node:assert/strict";
import { attributes, errorOf, HEADER_BYTES, walkMessages } from "../../../ffi/netlink_message.ts";
import { gatewaysOf, isDefault } from "../../../ffi/routes.ts";
import { defaultConfig } from "../../../src/config/config.ts";
import { IgnoreList } from "../../../src/config/ignore_list.ts";
import { type PortRange, PortSet } from "../../../src/config/ports.ts";
import { Detector } from "../../../src/detector/detector.ts";
import { SourceTable } from "../../../src/detector/source_table.ts";
import { decode, LinkType } from "../../../src/packet/decode.ts";
import { Packet, Protocol } from "../../../src/packet/packet.ts";
import { parseNameServers } from "../../../src/response/name_servers.ts";
import { parseTcpCounters } from "../../../src/response/tcp_counters.ts";
import { parseTcpTable } from "../../../src/response/tcp_tables.ts";
import { assembledFilters, handshakesProgram } from "../../../src/sentry/bpf.ts";
import type { OwnNetwork } from "../../../src/sentry/interfaces.ts";
import { LocalSockets } from "../../../src/sentry/local_sockets.ts";
import { accepts, assertLoadable, PACKET_OUTGOING } from "../../sentry/bpf_machine.ts";
import { bytesTarget, type Target, textTarget } from "../target.ts";

type Bytes = Uint8Array<ArrayBuffer>;

function readsNetlink(input: Bytes, length: number): string {
  const told: unknown[] = [];
  const view = new DataView(input.buffer);
  const good = walkMessages(view, length, (start, end, type) => {
    assert.ok(start + HEADER_BYTES <= end && end <= length);
    const body = new DataView(input.buffer, start + HEADER_BYTES, end - start - HEADER_BYTES);
    for (const value of attributes(body, 0).values()) {
      assert.ok(value.byteOffset + value.length <= end);
    }
    const gateways = gatewaysOf(body);
    for (const { length } of gateways) assert.ok(length === 4 || length === 16);
    told.push([
      type,
      errorOf(view, start, end),
      isDefault(body),
      gateways.map((one) => one.toHex()),
    ]);
  });
  return JSON.stringify([good, told]);
}

function readsTcpTable(text: string): string {
  const sockets = parseTcpTable(text);
  for (const { localPort, peer } of sockets) {
    assert.ok(localPort >= 0 && localPort <= 65_535);
    assert.equal(peer.length, 16);
  }
  return JSON.stringify([sockets.length, parseTcpCounters(text)]);
}

function readsNameServers(text: string): string {
  const servers = parseNameServers(text);
  for (const { length } of servers) assert.ok(length === 4 || length === 16);
  return servers.map((one) => one.toHex()).join(" ");
}

/** A line of /proc/net/tcp, udp and so on: addresses, ports and the state. */
const TABLE_LINE = /^ *\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:0000 0A(?: |$)/;

function readsSocketTable(text: string): string {
  const taken: boolean[] = [];
  for (const protocol of [Protocol.Tcp, Protocol.Udp]) {
    const sockets = new LocalSockets([{ protocol, table: text }]);
    for (const line of text.split("\n").slice(1)) {
      const packet = new Packet();
      packet.protocol = protocol;
      const [, address, port] = TABLE_LINE.exec(line) ?? [];
      packet.destinationPort = parseInt(port ?? "50", 16);
      if (address !== undefined) {
        packet.version = address.length === 8 ? 4 : 6;
        // Words of four bytes, each as a number of this little-endian machine.
        packet.destination.set(Uint8Array.fromHex(address).map((_, i, all) => all[i ^ 3]));
        assert.equal(sockets.takes(packet), true, line);
      }
      taken.push(sockets.takes(packet));
    }
  }
  return JSON.stringify(taken);
}

/**
 * Own addresses, ports and an IP packet, out of any bytes: how many IPv4 and IPv6 addresses, TCP and
 * UDP port ranges; then those, each address with its prefix; the packet is the rest.
 */
function readCase(input: Bytes) {
  let at = 0;
  const byte = () => input[at++] ?? 0;
  const number = () => byte() << 8 | byte();
  const [four, six, tcp, udp] = [byte() % 4, byte() % 4, byte() % 8, byte() % 8];
  const own: OwnNetwork[] = [];
  for (let i = 0; i < four + six; i++) {
    const size = i < four ? 4 : 16;
    const prefix = byte() % (size * 8 + 1);
    own.push({ prefix, address: Uint8Array.from({ length: size }, byte) });
  }
  const ranges = (count: number) =>
    new PortSet(Array.from({ length: count }, (): PortRange => {
      const [a, b] = [number() || 1, number() || 1];
      return { first: Math.min(a, b), last: Math.max(a, b) };
    }));
  return { own, tcpPorts: ranges(tcp), udpPorts: ranges(udp), frame: input.slice(at) };
}

function holds({ address, prefix }: OwnNetwork, size: number, other: Uint8Array): boolean {
  if (address.length !== size) return false;
  for (let bit = 0; bit < prefix; bit++) {
    if (((address[bit >> 3] ^ other[bit >> 3]) & 0x80 >> (bit & 7)) !== 0) return false;
  }
  return true;
}

/** The kernel's filters may let more pass than is a probe, but nothing less. */
function filters(input: Bytes, length: number): string {
  const { own, tcpPorts, udpPorts, frame } = readCase(input.slice(0, length));
  const packet = new Packet();
  const decoded = decode(frame, frame.length, LinkType.Raw, packet) &&
    own.some((one) => holds(one, packet.version === 4 ? 4 : 16, packet.destination));
  const told = (["classic", "extended"] as const).map((detect) => {
    const config = { ...defaultConfig(""), tcpPorts, udpPorts, detect };
    const { headers, extensions } = assembledFilters(own, config);
    assertLoadable(headers);
    assertLoadable(extensions);
    const passes = accepts(headers, frame) || accepts(extensions, frame);
    const detector = new Detector(config, new IgnoreList([]), new SourceTable(8), {
      disableLocalCheck: false,
    });
    const probe = decoded && (detector.isProbe(packet) || detector.isProbeUnlessAsked(packet));
    if (probe) assert.ok(passes, `the filters reject a probe of ${detect}`);
    return `${headers.toHex()} ${extensions.toHex()} ${passes}`;
  });
  const handshakes = handshakesProgram(own, tcpPorts);
  assertLoadable(handshakes);
  return `${told.join()} ${accepts(handshakes, frame, PACKET_OUTGOING)}`;
}

const PIECES = ["02000000", "03000000", "10000000", "14000000", "08000100c0000201"]
  .map((hex) => Uint8Array.fromHex(hex));

export const KERNEL_TARGETS: Target[] = [
  bytesTarget("netlink", readsNetlink, { dictionary: PIECES }),
  textTarget("tcp-table", readsTcpTable, {
    dictionary: [
      "0A",
      "01",
      "00000000",
      "0100007F:0016",
      ":",
      " ",
      "\n",
      "0000000000000000FFFF0000",
    ],
    seeds: [
      [
        "listening",
        "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 0 0 1 1 0\n",
      ],
      [
        "connected",
        "   1: 0100007F:0016 0900007F:D431 01 00000000:00000000 00:00000000 0 0 1 1 0\n",
      ],
      ["counters", "\nTcp: PassiveOpens CurrEstab\nTcp: 12 3\n"],
    ],
  }),
  textTarget("name-servers", readsNameServers, {
    dictionary: ["nameserver ", "\n", "#", ";", "%eth0", "::1"],
    seeds: [["both families", "nameserver 192.0.2.53\nnameserver fe80::1%eth0 # here\nsearch a\n"]],
  }),
  textTarget("proc-net", readsSocketTable, {
    dictionary: ["0A", "00000000", "0100007F:0016", ":", " ", "\n", "0000000000000000FFFF0000"],
  }),
  bytesTarget("bpf", filters),
];
