/**
 * What stealth mode needs of a way to capture.
 *
 * @module
 */
import type { Detect } from "../config/config.ts";
import type { PortSet } from "../config/ports.ts";
import type { Interface, Selection, Target } from "./interfaces.ts";

/** A kernel ring of frames. */
export interface FrameSource {
  /** What a person calls it. */
  readonly device: string;
  /** Descriptor that can be read when frames wait. */
  readonly fd: number;
  readonly linkType: number;
  /** Time of the last frame, in milliseconds since 1970. */
  readonly timeMs: number;
  /** Index of the interface the last frame came in on; 0 when that is not known. */
  readonly interfaceIndex: number;
  /** Copies the next frame into `frame`; -1 when none waits. */
  next(frame: Uint8Array<ArrayBuffer>): number;
  /** Frames the kernel lost because the ring was full, so far. */
  dropped(): number;
  close(): void;
}

/** A source, and how to make it follow its target's addresses and the configured ports. */
export interface FilteredSource {
  source: FrameSource;
  refilter(target: Target, ports: WatchedPorts): void;
}

/** What to watch: the ports, and which packets to them are of interest. */
export interface WatchedPorts {
  tcpPorts: PortSet;
  udpPorts: PortSet;
  /** "classic" if it is left out. */
  detect?: Detect;
}

/** A way to capture: libpcap, or packet sockets. */
export interface CaptureMethod {
  /** What there is to watch now. */
  select(interfaces: readonly Interface[]): Selection;
  /**
   * Opens a target, with its filter in the kernel.
   *
   * @param share how many targets share the memory for rings
   * @throws {Error} of the library that refused, with the target's name
   */
  open(target: Target, ports: WatchedPorts, share: number): FilteredSource[];
}
