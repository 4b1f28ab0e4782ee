/**
 * Stealth mode through libpcap: frames of the watched interfaces, decoded.
 *
 * @module
 */
import type { Poller } from "../../ffi/epoll.ts";
import { Capture, PcapError } from "../../ffi/pcap.ts";
import type { PortSet } from "../config/ports.ts";
import {
  FRAMES_PER_TURN,
  FULL_RING_BYTES,
  FULL_SNAPSHOT_BYTES,
  HEADER_RINGS_BYTES,
  HEADER_SNAPSHOT_BYTES,
  LEAST_RING_BYTES,
} from "../limits.ts";
import { decode, isKnownLinkType } from "../packet/decode.ts";
import { Packet, REJECT_NAMES } from "../packet/packet.ts";
import { captureFilters } from "./filter.ts";
import type { Target } from "./interfaces.ts";

/** What a sentry is given and whom it tells. */
export interface SentryOptions {
  targets: readonly Target[];
  tcpPorts: PortSet;
  udpPorts: PortSet;
  poller: Poller;
  /** Takes each decoded packet; the record is reused as soon as this returns. */
  onPacket: (packet: Packet) => void;
  /** Takes what `-v` tells. */
  onVerbose: (text: string) => void;
  /** Takes an interface's failure; it is not watched any more. */
  onFailure: (text: string) => void;
  /** Called when the last interface has failed. */
  onBlind: () => void;
}

/** Captures on every target until it is closed. */
export class PcapSentry {
  readonly #options: SentryOptions;
  readonly #captures = new Set<Capture>();
  readonly #packet = new Packet();
  readonly #frame = new Uint8Array(FULL_SNAPSHOT_BYTES);
  readonly #rejects = new Float64Array(REJECT_NAMES.length);

  /**
   * Opens all targets, or none.
   *
   * @throws {PcapError} whose message names the target, when one cannot be captured on
   * @throws {LibraryError} when there is no libpcap
   */
  constructor(options: SentryOptions) {
    this.#options = options;
    try {
      for (const target of options.targets) this.#open(target);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Frames that held no segment or datagram so far, by reason. */
  get rejects(): Map<string, number> {
    return new Map(
      REJECT_NAMES.map((name, i) => [name, this.#rejects[i]] as const).filter(([, n]) => n > 0),
    );
  }

  /** Packets lost before this program could read them. */
  *losses(): Iterable<{ what: string; count: number }> {
    const drops = new Map<string, number>();
    for (const capture of this.#captures) {
      const { dropped } = capture.statistics();
      drops.set(capture.device, (drops.get(capture.device) ?? 0) + dropped);
    }
    for (const [device, count] of drops) {
      yield { what: `packets were dropped by the kernel on ${device}, its buffer was full`, count };
    }
  }

  /** Takes what the kernel still holds, for `limitMs` at most. */
  drain(limitMs: number): void {
    const deadline = performance.now() + limitMs;
    for (const capture of [...this.#captures]) {
      while (this.#drain(capture) && performance.now() < deadline);
    }
  }

  /** Ends all captures. */
  close(): void {
    for (const capture of this.#captures) this.#drop(capture);
  }

  #open({ device, addresses }: Target): void {
    const { tcpPorts, udpPorts, onVerbose } = this.#options;
    const filters = captureFilters(addresses, tcpPorts, udpPorts);
    const share = Math.floor(HEADER_RINGS_BYTES / this.#options.targets.length);
    this.#capture(device, filters.headers, {
      snapshotBytes: HEADER_SNAPSHOT_BYTES,
      bufferBytes: Math.max(LEAST_RING_BYTES, share),
    });
    this.#capture(device, filters.extensions, {
      snapshotBytes: FULL_SNAPSHOT_BYTES,
      bufferBytes: FULL_RING_BYTES,
    });
    onVerbose(`Watching ${device} for packets to ${addresses.join(", ")}`);
  }

  #capture(
    device: string,
    filter: string,
    sizes: { snapshotBytes: number; bufferBytes: number },
  ): void {
    const capture = openCapture(device, sizes);
    this.#captures.add(capture);
    if (!isKnownLinkType(capture.linkType)) {
      throw new PcapError(device, -1, `its link type ${capture.linkType} is not supported`);
    }
    capture.setFilter(filter);
    this.#options.poller.add(capture.fd, () => this.#drain(capture));
  }

  /**
   * Takes what waits, but leaves the rest for the next turn: others have work too.
   *
   * @returns whether there may be more
   */
  #drain(capture: Capture): boolean {
    const packet = this.#packet;
    try {
      for (let turn = 0; turn < FRAMES_PER_TURN; turn++) {
        const length = capture.next(this.#frame);
        if (length < 0) return false;
        if (decode(this.#frame, length, capture.linkType, packet)) {
          packet.timeMs = capture.timeMs;
          this.#options.onPacket(packet);
        } else this.#rejects[packet.reject]++;
      }
      return true;
    } catch (error) {
      if (!(error instanceof PcapError)) throw error;
      this.#drop(capture);
      this.#options.onFailure(`${capture.device} is not watched any more: ${error.message}`);
      if (this.#captures.size === 0) this.#options.onBlind();
      return false;
    }
  }

  #drop(capture: Capture): void {
    this.#captures.delete(capture);
    this.#options.poller.remove(capture.fd);
    capture.close();
  }
}

/** Opens a device, with an error that says what to do. */
function openCapture(
  device: string,
  sizes: { snapshotBytes: number; bufferBytes: number },
): Capture {
  try {
    return new Capture(device, sizes);
  } catch (error) {
    if (error instanceof PcapError && error.permissionDenied) {
      throw new PcapError(
        device,
        error.code,
        "no permission to capture: run as root, or with the capability CAP_NET_RAW",
      );
    }
    if (error instanceof PcapError) throw new PcapError(device, error.code, error.message);
    throw error;
  }
}
