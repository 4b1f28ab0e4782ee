/**
 * Capture through packet sockets (packet(7)), on all interfaces at once, with or without libpcap.
 *
 * @module
 */
import { LibraryError } from "../../ffi/libraries.ts";
import { SystemError } from "../../ffi/libc.ts";
import { PacketRing, type RingOptions } from "../../ffi/packet_ring.ts";
import { compileFilter } from "../../ffi/pcap.ts";
import { FULL_SNAPSHOT_BYTES, HEADER_RING_SLOTS } from "../limits.ts";
import { LinkType } from "../packet/decode.ts";
import { assembledFilters } from "./bpf.ts";
import { captureFilters } from "./filter.ts";
import type { CaptureMethod, FilteredSource, WatchedPorts } from "./frame_source.ts";
import { enslavedAmong, type Interface, type Selection, type Target } from "./interfaces.ts";

const HEADERS_BLOCK_BYTES = 65_536;

/** The ring's own header (80), IP header and TCP header (120 at most), aligned. */
const HEADERS_SLOT_BYTES = 208;

const HEADERS_RING: RingOptions = {
  slotBytes: HEADERS_SLOT_BYTES,
  blockBytes: HEADERS_BLOCK_BYTES,
  blocks: Math.floor(HEADER_RING_SLOTS * HEADERS_SLOT_BYTES / HEADERS_BLOCK_BYTES),
};

/** Slots for whole IPv6 packets, whose extension headers may fill them. */
const EXTENSIONS_RING: RingOptions = { slotBytes: 65_536, blockBytes: 131_072, blocks: 4 };

/** Captures on all interfaces, loopback included. */
export class RawMethod implements CaptureMethod {
  #compile = true;

  /** @param onVerbose takes the news that libpcap is not there */
  constructor(readonly onVerbose: (text: string) => void) {}

  select(interfaces: readonly Interface[]): Selection {
    const addresses = interfaces.flatMap((one) => one.addresses);
    const enslaved = enslavedAmong(interfaces);
    const target = { device: "all interfaces", index: 0, addresses, enslaved };
    return { targets: addresses.length > 0 ? [target] : [], faults: [], skipped: [] };
  }

  open(target: Target, ports: WatchedPorts): FilteredSource[] {
    const sources: FilteredSource[] = [];
    try {
      sources.push(this.#openRing(target, ports, "headers", HEADERS_RING));
      sources.push(this.#openRing(target, ports, "extensions", EXTENSIONS_RING));
      return sources;
    } catch (error) {
      for (const { source } of sources) source.close();
      throw error;
    }
  }

  #openRing(
    target: Target,
    ports: WatchedPorts,
    part: "headers" | "extensions",
    options: RingOptions,
  ): FilteredSource {
    const source = openRing(this.#program(target, ports, part), options);
    source.enslaved = target.enslaved;
    const refilter = (target: Target, ports: WatchedPorts) => {
      source.setFilter(this.#program(target, ports, part));
      source.enslaved = target.enslaved;
    };
    return { source, refilter };
  }

  /** libpcap compiles the shorter program; without it, one made by hand does the same. */
  #program(
    { addresses }: Target,
    ports: WatchedPorts,
    part: "headers" | "extensions",
  ): Uint8Array<ArrayBuffer> {
    if (this.#compile) {
      try {
        const expression = captureFilters(addresses, ports)[part];
        return compileFilter(expression, LinkType.RawBsd, FULL_SNAPSHOT_BYTES);
      } catch (error) {
        if (!(error instanceof LibraryError)) throw error;
        this.#compile = false;
        this.onVerbose(`Filtering without libpcap: ${error.message}`);
      }
    }
    return assembledFilters(addresses, ports)[part];
  }
}

/** Opens a ring, with an error that says what to do. */
export function openRing(program: Uint8Array<ArrayBuffer>, options: RingOptions): PacketRing {
  try {
    return new PacketRing(program, options);
  } catch (error) {
    const EPERM = 1;
    if (error instanceof SystemError && error.errno === EPERM) {
      throw new SystemError(
        "no permission to capture: run as root, or with the capability CAP_NET_RAW",
        EPERM,
      );
    }
    throw error;
  }
}
