/**
 * Capture through libpcap, a pair of captures for each interface.
 *
 * @module
 */
import { Capture, PcapError } from "../../ffi/pcap.ts";
import {
  FULL_RING_BYTES,
  FULL_SNAPSHOT_BYTES,
  HEADER_RING_SLOTS,
  HEADER_SNAPSHOT_BYTES,
  LEAST_RING_BYTES,
} from "../limits.ts";
import { uint32 } from "../packet/bytes.ts";
import { COOKED2, isKnownLinkType, LinkType } from "../packet/decode.ts";
import { captureFilters } from "./filter.ts";
import type { CaptureMethod, FilteredSource, FrameSource, WatchedPorts } from "./frame_source.ts";
import {
  type Interface,
  InterfaceAlias,
  selectInterfaces,
  type Selection,
  type Target,
} from "./interfaces.ts";

/** What libpcap takes for a packet of HEADER_SNAPSHOT_BYTES: with the ring's own header, aligned. */
const HEADERS_SLOT_BYTES = 240;

/** Captures on the interfaces that `-i` names. */
export class PcapMethod implements CaptureMethod {
  /** @param names aliases or interface names, as the user wrote them */
  constructor(readonly names: readonly string[]) {}

  select(interfaces: readonly Interface[]): Selection {
    return selectInterfaces(this.names, interfaces);
  }

  open(target: Target, ports: WatchedPorts, share: number): FilteredSource[] {
    const sources: FilteredSource[] = [];
    const headerBytes = Math.max(
      LEAST_RING_BYTES,
      Math.floor(HEADER_RING_SLOTS * HEADERS_SLOT_BYTES / share),
    );
    try {
      sources.push(openCapture(target, ports, "headers", HEADER_SNAPSHOT_BYTES, headerBytes));
      sources.push(openCapture(target, ports, "extensions", FULL_SNAPSHOT_BYTES, FULL_RING_BYTES));
      return sources;
    } catch (error) {
      for (const { source } of sources) source.close();
      throw error;
    }
  }
}

/** The frames of `any`: those that another interface will bring again are left out. */
class AnyCapture implements FrameSource {
  readonly device: string;
  readonly fd: number;
  readonly linkType: number;
  interfaceIndex = 0;
  enslaved: ReadonlySet<number> = new Set();

  constructor(readonly capture: Capture) {
    ({ device: this.device, fd: this.fd, linkType: this.linkType } = capture);
  }

  get timeMs(): number {
    return this.capture.timeMs;
  }

  next(frame: Uint8Array<ArrayBuffer>): number {
    for (;;) {
      const length = this.capture.next(frame);
      if (this.linkType !== LinkType.LinuxCooked2 || length < COOKED2.LENGTH) return length;
      this.interfaceIndex = uint32(frame, COOKED2.INTERFACE);
      if (!this.enslaved.has(this.interfaceIndex)) return length;
    }
  }

  dropped(): number {
    return this.capture.dropped();
  }

  close(): void {
    this.capture.close();
  }
}

/** Opens one of a target's captures, with errors that say what to do. */
function openCapture(
  target: Target,
  ports: WatchedPorts,
  part: "headers" | "extensions",
  snapshotBytes: number,
  bufferBytes: number,
): FilteredSource {
  const { device } = target;
  const any = device === InterfaceAlias.Any;
  let capture: Capture;
  try {
    capture = new Capture(device, {
      snapshotBytes,
      bufferBytes,
      ...(any && { linkType: LinkType.LinuxCooked2 }),
    });
  } catch (error) {
    if (!(error instanceof PcapError)) throw error;
    const text = error.permissionDenied
      ? "no permission to capture: run as root, or with the capability CAP_NET_RAW"
      : error.message;
    throw new PcapError(device, error.code, text);
  }
  capture.interfaceIndex = target.index;
  const source = any ? new AnyCapture(capture) : capture;
  let filter: string | undefined;
  const refilter = (target: Target, ports: WatchedPorts) => {
    const wanted = captureFilters(target.addresses, ports)[part];
    // libpcap lets no packet through while it changes a filter, and counts none of them.
    if (wanted !== filter) capture.setFilter(wanted);
    filter = wanted;
    if (source instanceof AnyCapture) source.enslaved = target.enslaved;
  };
  try {
    if (!isKnownLinkType(capture.linkType)) {
      throw new PcapError(device, -1, `its link type ${capture.linkType} is not supported`);
    }
    refilter(target, ports);
  } catch (error) {
    capture.close();
    throw error;
  }
  return { source, refilter };
}
