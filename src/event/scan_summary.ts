/**
 * A scan that has ended, as it is told: the probes of a source that followed one another within
 * SCAN_WINDOW, summed up.
 *
 * @module
 */

/**
 * What a scan was like:
 *
 * - `vertical`: several ports;
 * - `sweep`: more of our addresses than ports;
 * - `slow`: several ports or addresses, over a minute apart on average;
 * - `distributed`: many sources with few probes each that came to the same ports, or a flood of them;
 * - `repeated`: one port of one address, three times or more;
 * - `probe`: one or two packets.
 */
export const SCAN_KINDS = [
  "vertical",
  "sweep",
  "slow",
  "distributed",
  "repeated",
  "probe",
] as const;
export type ScanKind = typeof SCAN_KINDS[number];

/** The tool of packets that do not tell. */
export const UNKNOWN_TOOL = "unknown";

/** A scan that has ended. Times are of the wall clock, in milliseconds since 1970. */
export interface ScanSummary {
  /** The source's address as text; for `distributed`, a text such as `37 sources`. */
  readonly source: string;
  /** How many sources; only for `distributed`. One that came back later counts again. */
  readonly sources?: number;
  readonly kind: ScanKind;
  /** Such as `nmap SYN`; {@link UNKNOWN_TOOL} when the packets do not tell. */
  readonly tool: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly packets: number;
  /** How many different ports; the same number over TCP and UDP makes two. */
  readonly ports: number;
  /** How many of our addresses. */
  readonly targets: number;
  /** Some of the ports, such as `tcp/23`, and `icmp` for those that have none. */
  readonly samplePorts: readonly string[];
  /** Whether the source, or all sources, were blocked when the scan ended. */
  readonly blocked: boolean;
}

/** Packets a second from the first to the last; 0 for a lone one. */
export function rateOf({ packets, firstMs, lastMs }: ScanSummary): number {
  // Within the clock's last digit nothing can be told apart.
  return (packets - 1) * 1000 / Math.max(1, lastMs - firstMs);
}
