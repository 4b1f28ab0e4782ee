/**
 * Every bound of the program in one place. What an attacker can fill has a size here, and what can
 * be slow has a time.
 *
 * @module
 */

/**
 * Frames kept by the headers-only capture: link header with two VLAN tags (22), the longest IPv4
 * header (60) and the longest TCP header (60) are 142 bytes. Small slots make the kernel's ring hold
 * eight times the packets that an MTU-sized one would.
 */
export const HEADER_SNAPSHOT_BYTES = 160;

/** Frames kept by the capture of IPv6 extension headers, which may be as long as the packet. */
export const FULL_SNAPSHOT_BYTES = 65_575; // IPv6 header, largest payload, and the link header

/** Kernel memory for the headers-only rings of all interfaces together. */
export const HEADER_RINGS_BYTES = 16 * 1024 * 1024;

/** Least kernel memory for one interface's ring, however many interfaces there are. */
export const LEAST_RING_BYTES = 512 * 1024;

/** Kernel memory for one interface's ring of whole packets. */
export const FULL_RING_BYTES = 512 * 1024;

/** Frames taken from one interface before the others, timers, signals and writes have their turn. */
export const FRAMES_PER_TURN = 2048;

/**
 * Port ranges the kernel filter tells apart; more are joined, and the detector tells the rest. Twice as
 * many take libpcap five times as long to compile.
 */
export const FILTER_PORT_RANGES = 64;

/** What emptying the rings may take at the end of the program, in a flood that does not end. */
export const LAST_DRAIN_MS = 200;

/** Sources whose events are counted at once. Spoofed sources can fill this, and no more. */
export const SOURCE_TABLE_ENTRIES = 65_536;

/** Text waiting for one output (in UTF-16 units); what comes on top is dropped and counted. */
export const OUTPUT_PENDING_CHARACTERS = 16 * 1024 * 1024;

/** Text given to one write, so that a slow disk has bounded work in flight. */
export const OUTPUT_WRITE_CHARACTERS = 256 * 1024;

/** Wait before a failed write is tried again. */
export const OUTPUT_RETRY_MS = 500;

/** What an output that hangs may cost at the end of the program. */
export const OUTPUT_CLOSE_MS = 500;

/** How often drops and losses are looked at and told. */
export const LOSS_REPORT_MS = 1000;
