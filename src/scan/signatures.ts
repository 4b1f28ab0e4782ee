/**
 * What one packet says of the tool that made it.
 *
 * The scanners among them make packets without the kernel's TCP, and each does so in its own way:
 * fields that a system's stack fills by its state are constants or are made of the target's address,
 * so that an answer can be told from noise without remembering what was asked. The facts are published:
 * - Ghiëtte, Blenn, Doerr: "Remote Identification of Port Scan Toolchains", NTMS 2016
 * - Antonakakis et al.: "Understanding the Mirai Botnet", USENIX Security 2017
 * - Mazel, Strullu: "Identifying and characterizing ZMap scans", arXiv 1908.04193, section 2
 * - Lyon: "Nmap Network Scanning", the chapter "TCP/IP Fingerprinting Methods Supported by Nmap"
 * and were seen again in packets of the tools themselves (docs/fingerprints.md).
 *
 * @module
 */
import { int32 } from "../packet/bytes.ts";
import type { Headers } from "../packet/headers.ts";
import { type Packet, TcpFlag } from "../packet/packet.ts";
import { OptionBit } from "../packet/tcp_options.ts";

/** What a packet looks like. */
export const Sign = {
  None: 0,
  /** Made by an ordinary system's stack. */
  Stack: 1,
  Mirai: 2,
  Masscan: 3,
  Zmap: 4,
  Hping: 5,
  /** One of the probes of nmap -O. */
  NmapOs: 6,
  /** Shaped like nmap's and with no trait of its own: others must bear it out. */
  NmapShape: 7,
  /** The same, and so that it stands for itself. */
  NmapAlone: 8,
} as const;
export type Sign = typeof Sign[keyof typeof Sign];

const NMAP_WINDOW = 1024; // older ones: one to four times that
const NMAP_MOST_WINDOW = 4096;
const NMAP_SEGMENT = 1460;
/** nmap starts IPv4's time to live anywhere from 37 to 59. */
export const NMAP_MOST_TTL = 59;
/** Linux, BSD and macOS start at 64, Windows at 128: above that it is a tool, or a small device. */
export const STACKS_MOST_TTL = 128;
const MASSCAN_WINDOW = 1024;
const ZMAP_ID = 54_321; // until 2024
const ZMAP_WINDOW = 65_535;
/** Segment size, no-operation, window scale, two no-operations, SACK permitted: as Windows sends them. */
const ZMAP_OPTIONS = 0x213114;
const HPING_WINDOW = 512;
const NO_OPTIONS = 0;
const ONLY_SEGMENT_SIZE = 0x2;

/** nmap -O's probe of a closed UDP port (U1): 300 bytes, under a number that it never changes. */
const NMAP_U1 = { IP_ID: 0x1042, PAYLOAD_BYTES: 300 } as const;

/**
 * nmap -O's probes of TCP, as the chapter lists them: flags, window, kinds of options, segment size,
 * window scale. The options of no system stand in such an order with such windows.
 */
const NMAP_OS_PROBES = Int32Array.of(
  ...[0x02, 1, 0x31284, 1460, 10], // the six of the sequence generation
  ...[0x02, 63, 0x2348e, 1400, 0],
  ...[0x02, 4, 0x811312, 640, 5],
  ...[0x02, 4, 0x483e, 0, 10],
  ...[0x02, 16, 0x2483e, 536, 10],
  ...[0x02, 512, 0x248, 265, -1],
  ...[0xc2, 3, 0x312411, 1460, 10], // explicit congestion notification
  ...[0x00, 128, 0x31284, 265, 10], // T2 to T7
  ...[0x2b, 256, 0x31284, 265, 10],
  ...[0x10, 1024, 0x31284, 265, 10],
  ...[0x02, 31_337, 0x31284, 265, 10],
  ...[0x10, 32_768, 0x31284, 265, 10],
  ...[0x29, 65_535, 0x31284, 265, 15],
);
const NMAP_OS_FIELDS = 5;
/** All have three options at least. */
const NMAP_OS_LEAST_OPTIONS = 0x100;

/** What a TCP segment looks like, whatever came before it. */
export function tcpSign(packet: Packet, headers: Headers): Sign {
  if (isMirai(packet, headers)) return Sign.Mirai;
  if (isNmapOsProbe(packet, headers)) return Sign.NmapOs;
  if (isZmap(packet, headers)) return Sign.Zmap;
  if (isMasscan(packet, headers)) return Sign.Masscan;
  if (isHping(packet, headers)) return Sign.Hping;
  if (isNmapShaped(packet, headers)) {
    return isNmapAlone(packet, headers) ? Sign.NmapAlone : Sign.NmapShape;
  }
  return isStack(packet, headers) ? Sign.Stack : Sign.None;
}

/** What a UDP datagram looks like, whatever came before it: UDP has little to tell by. */
export function udpSign({ version }: Packet, headers: Headers): Sign {
  if (version !== 4 || headers.dontFragment) return Sign.None;
  const { ipId, payloadLength, ttl } = headers;
  if (ipId === NMAP_U1.IP_ID && payloadLength === NMAP_U1.PAYLOAD_BYTES) return Sign.NmapOs;
  // Systems count up to that number now and then. They start below 255, where zmap does.
  if (ipId === ZMAP_ID && ttl > STACKS_MOST_TTL) return Sign.Zmap;
  return ttl <= NMAP_MOST_TTL ? Sign.NmapShape : Sign.None;
}

/** Mirai and what was made of it: the target's address is the sequence number. One in 2^32 by chance. */
function isMirai({ version, tcpFlags, destination }: Packet, { sequence }: Headers): boolean {
  return version === 4 && tcpFlags === TcpFlag.Syn && sequence === int32(destination, 0);
}

function isNmapOsProbe({ tcpFlags }: Packet, { window, options }: Headers): boolean {
  if (options.kinds < NMAP_OS_LEAST_OPTIONS) return false;
  for (let i = 0; i < NMAP_OS_PROBES.length; i += NMAP_OS_FIELDS) {
    if (
      NMAP_OS_PROBES[i + 1] === window && NMAP_OS_PROBES[i + 2] === options.kinds &&
      NMAP_OS_PROBES[i] === tcpFlags && NMAP_OS_PROBES[i + 3] === options.maximumSegment &&
      NMAP_OS_PROBES[i + 4] === options.windowScale
    ) return true;
  }
  return false;
}

/**
 * zmap: one number for all packets, and the largest window. Since 2024 (its pull requests 798 and 855)
 * the number is random and the options are Windows'; but Windows starts at half the time to live and
 * forbids fragments, which zmap does not.
 */
function isZmap({ version, tcpFlags }: Packet, headers: Headers): boolean {
  const { window, dontFragment, ipId, ttl, options } = headers;
  if (version !== 4 || window !== ZMAP_WINDOW || tcpFlags !== TcpFlag.Syn || dontFragment) {
    return false;
  }
  if (ipId === ZMAP_ID && (options.kinds === NO_OPTIONS || options.kinds === ONLY_SEGMENT_SIZE)) {
    return true;
  }
  return ttl > STACKS_MOST_TTL && options.kinds === ZMAP_OPTIONS;
}

/**
 * masscan: the number of an IPv4 packet is the target's address, its port and the sequence number, put
 * together by exclusive or. By chance it is so in one of 65,536 packets; those of an ordinary system
 * forbid fragments, and those of a small device do not start with such a time to live and window.
 * IPv6 has no such number: there it is the window, and options that no system leaves out.
 */
function isMasscan(packet: Packet, headers: Headers): boolean {
  const { version, tcpFlags, destination, destinationPort } = packet;
  if (tcpFlags !== TcpFlag.Syn) return false;
  const sameWindow = headers.window === MASSCAN_WINDOW;
  const farTtl = headers.ttl > STACKS_MOST_TTL;
  if (version === 6) return sameWindow && farTtl && headers.options.kinds === NO_OPTIONS;
  if (!sameWindow && !farTtl) return false;
  const id = (int32(destination, 0) ^ destinationPort ^ headers.sequence) & 0xffff;
  return id === headers.ipId && !headers.dontFragment;
}

/**
 * hping3: a window of 512, and no options. Systems have options in every SYN; what has ACK set may be
 * a segment of theirs, from the end of a connection, and says nothing.
 */
function isHping({ version, tcpFlags }: Packet, headers: Headers): boolean {
  return version === 4 && headers.window === HPING_WINDOW && !headers.dontFragment &&
    headers.options.kinds === NO_OPTIONS && (tcpFlags & TcpFlag.Ack) === 0;
}

/**
 * nmap: a small round window, the segment size as a SYN's only option, and one of the two numbers is
 * zero: the sequence number where ACK is set, the acknowledgement elsewhere.
 */
function isNmapShaped({ version, tcpFlags }: Packet, headers: Headers): boolean {
  const { window, options, sequence, acknowledgement } = headers;
  if (window === 0 || window > NMAP_MOST_WINDOW || window % NMAP_WINDOW !== 0) return false;
  if (version === 4 && headers.dontFragment) return false;
  if (sequence !== 0 && acknowledgement !== 0) return false;
  if ((tcpFlags & TcpFlag.Syn) === 0) return options.kinds === NO_OPTIONS;
  return options.kinds === ONLY_SEGMENT_SIZE && options.maximumSegment === NMAP_SEGMENT;
}

/** The time to live is the trait that those lack who imitate the rest of it. IPv6 always starts at 255. */
function isNmapAlone({ version }: Packet, { window, ttl }: Headers): boolean {
  return version === 4 && window === NMAP_WINDOW && ttl <= NMAP_MOST_TTL;
}

/** A SYN with the segment size and one more of what systems agree on: no small scanner cares for that. */
function isStack({ tcpFlags }: Packet, { options }: Headers): boolean {
  const more = OptionBit.WindowScale | OptionBit.SackPermitted | OptionBit.Timestamps;
  return (tcpFlags & (TcpFlag.Syn | TcpFlag.Ack | TcpFlag.Rst | TcpFlag.Fin)) === TcpFlag.Syn &&
    (options.bits & OptionBit.MaximumSegment) !== 0 && (options.bits & more) !== 0;
}
