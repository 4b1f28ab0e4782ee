/**
 * Capture through libpcap, a pair of captures for each interface.
 *
 * @module
 */
import { Capture, PcapError } from "../../ffi/pcap.ts";
import {
  FULL_RING_BYTES,
  FULL_SNAPSHOT_BYTES,
  HEADER_RINGS_BYTES,
  HEADER_SNAPSHOT_BYTES,
  LEAST_RING_BYTES,
} from "../limits.ts";
import { isKnownLinkType } from "../packet/decode.ts";
import { captureFilters } from "./filter.ts";
import type { CaptureMethod, FilteredSource, WatchedPorts } from "./frame_source.ts";
import { type Interface, selectInterfaces, type Selection, type Target } from "./interfaces.ts";

/** Captures on the interfaces that `-i` names. */
export class PcapMethod implements CaptureMethod {
  /** @param names aliases or interface names, as the user wrote them */
  constructor(readonly names: readonly string[]) {}

  select(interfaces: readonly Interface[]): Selection {
    return selectInterfaces(this.names, interfaces);
  }

  open(target: Target, ports: WatchedPorts, share: number): FilteredSource[] {
    const sources: FilteredSource[] = [];
    const headerBytes = Math.max(LEAST_RING_BYTES, Math.floor(HEADER_RINGS_BYTES / share));
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

/** Opens one of a target's captures, with errors that say what to do. */
function openCapture(
  target: Target,
  ports: WatchedPorts,
  part: "headers" | "extensions",
  snapshotBytes: number,
  bufferBytes: number,
): FilteredSource {
  const { device } = target;
  let source: Capture;
  try {
    source = new Capture(device, { snapshotBytes, bufferBytes });
  } catch (error) {
    if (!(error instanceof PcapError)) throw error;
    const text = error.permissionDenied
      ? "no permission to capture: run as root, or with the capability CAP_NET_RAW"
      : error.message;
    throw new PcapError(device, error.code, text);
  }
  source.interfaceIndex = target.index;
  const refilter = (target: Target, { tcpPorts, udpPorts }: WatchedPorts) =>
    source.setFilter(captureFilters(target.addresses, tcpPorts, udpPorts)[part]);
  try {
    if (!isKnownLinkType(source.linkType)) {
      throw new PcapError(device, -1, `its link type ${source.linkType} is not supported`);
    }
    refilter(target, ports);
  } catch (error) {
    source.close();
    throw error;
  }
  return { source, refilter };
}
