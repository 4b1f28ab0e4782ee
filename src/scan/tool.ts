/**
 * The tools that are told apart, and their names.
 *
 * @module
 */
import { TcpFlag } from "../packet/packet.ts";

/** A tool; an nmap's name says what it did as well: see {@link toolName}. */
export const Tool = {
  Unknown: 0,
  /** An ordinary system's stack: somebody called connect(2). */
  Connect: 1,
  Mirai: 2,
  Masscan: 3,
  Zmap: 4,
  Hping: 5,
  Unicornscan: 6,
  Nmap: 7,
} as const;
export type Tool = typeof Tool[keyof typeof Tool];

const NAMES: readonly string[] = [
  "unknown",
  "connect",
  "Mirai-like bot",
  "masscan",
  "zmap",
  "hping3",
  "unicornscan",
  "nmap",
];

/** nmap's scans of TCP, by the flags of their probes. */
export const ScanType = {
  None: 0,
  Syn: 1,
  Fin: 2,
  Null: 3,
  Xmas: 4,
  Maimon: 5,
  /** Two scans of the same packets: they differ in what they make of the answer. */
  AckOrWindow: 6,
  Custom: 7,
} as const;
export type ScanType = typeof ScanType[keyof typeof ScanType];

const SCAN_NAMES: readonly string[] = [
  "",
  "SYN",
  "FIN",
  "NULL",
  "Xmas",
  "Maimon",
  "ACK/Window",
  "custom flags",
];

/** All of nmap's names, made once: somebody may ask at every packet. */
const NMAP_NAMES: readonly string[] = SCAN_NAMES.flatMap((scan) =>
  [["", ""], ["", "OS detection"], ["UDP", ""], ["UDP", "OS detection"]].map((others) =>
    `nmap ${[scan, ...others].filter((part) => part !== "").join(", ")}`.trim()
  )
);

/** Which of nmap's scans sends segments with such flags: "Nmap Network Scanning", chapter 5. */
export function scanTypeOf(tcpFlags: number): ScanType {
  switch (tcpFlags) {
    case TcpFlag.Syn:
      return ScanType.Syn;
    case TcpFlag.Fin:
      return ScanType.Fin;
    case 0:
      return ScanType.Null;
    case TcpFlag.Fin | TcpFlag.Psh | TcpFlag.Urg:
      return ScanType.Xmas;
    case TcpFlag.Fin | TcpFlag.Ack:
      return ScanType.Maimon;
    case TcpFlag.Ack:
      return ScanType.AckOrWindow;
    default:
      return ScanType.Custom;
  }
}

/** What a person reads: such as `masscan`. */
export function toolName(tool: Tool): string {
  return NAMES[tool];
}

/** The same of an nmap: such as `nmap SYN, UDP, OS detection`. */
export function nmapName(scan: ScanType, udp: boolean, osDetection: boolean): string {
  return NMAP_NAMES[scan * 4 + (udp ? 2 : 0) + (osDetection ? 1 : 0)];
}
