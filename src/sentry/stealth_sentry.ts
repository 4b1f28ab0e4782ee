/**
 * Stealth mode: frames of everything that is to be watched, decoded.
 *
 * @module
 */
import type { Poller } from "../../ffi/epoll.ts";
import { FRAMES_PER_TURN, FULL_SNAPSHOT_BYTES, MOST_UNREAD } from "../limits.ts";
import { formatBytes } from "../packet/address.ts";
import { decode } from "../packet/decode.ts";
import { Packet, REJECT_NAMES } from "../packet/packet.ts";
import type { CaptureMethod, FilteredSource, FrameSource, WatchedPorts } from "./frame_source.ts";
import type { Interface, Selection, Target } from "./interfaces.ts";
import type { Sentry } from "./sentry.ts";

/** What a sentry is given and whom it tells. */
export interface StealthOptions {
  method: CaptureMethod;
  ports: WatchedPorts;
  poller: Poller;
  /** Takes each decoded packet; the record is reused as soon as this returns. */
  onPacket: (packet: Packet) => void;
  /** Takes what `-v` tells. */
  onVerbose: (text: string) => void;
  /** Takes what is not watched any more, or not yet, and should be. */
  onFailure: (text: string) => void;
}

/** A target that is being captured on. */
interface Watch {
  target: Target;
  sources: FilteredSource[];
  /** Whether the kernel may filter for other addresses or ports than these: it has refused a change. */
  stale: boolean;
}

/** Captures on what its method selects, and follows it as interfaces and addresses change. */
export class StealthSentry implements Sentry {
  readonly #options: StealthOptions;
  #ports: WatchedPorts;
  readonly #watches = new Map<string, Watch>();
  /** What was told of each target that could not be opened, so that it is told once. */
  readonly #failed = new Map<string, string>();
  readonly #drops = new Map<string, number>();
  /** By device, like the drops: what waited when its watch ended. */
  readonly #unread = new Map<string, number>();
  readonly #packet = new Packet();
  readonly #frame = new Uint8Array(FULL_SNAPSHOT_BYTES);
  readonly #rejects = new Float64Array(REJECT_NAMES.length);

  constructor(options: StealthOptions) {
    this.#options = options;
    this.#ports = options.ports;
  }

  /** What there is to watch now. */
  select(interfaces: readonly Interface[]): Selection {
    return this.#options.method.select(interfaces);
  }

  /**
   * Opens all there is to watch at the start, or nothing.
   *
   * @throws {Error} of the method, when one of the targets cannot be captured on
   */
  start(interfaces: readonly Interface[]): void {
    const { targets, skipped } = this.select(interfaces);
    for (const text of skipped) this.#options.onVerbose(`Not watching yet: ${text}`);
    try {
      for (const target of targets) this.#open(target, targets.length);
    } catch (error) {
      this.close();
      throw error;
    }
    if (targets.length === 0) {
      this.#options.onFailure(
        `Nothing to watch yet: ${skipped.join(", ") || "no interface is up"}`,
      );
    }
  }

  /**
   * Makes the captures follow the interfaces as they are now. What fails is told once and left out;
   * the others go on.
   *
   * @returns false when something should be watched and is not: then try again later
   */
  follow(interfaces: readonly Interface[]): boolean {
    const { targets } = this.select(interfaces);
    const wanted = new Set(targets.map(keyOf));
    for (const [key, watch] of this.#watches) {
      if (wanted.has(key)) continue;
      for (const { source } of watch.sources) this.#leave(source);
      this.#drop(key);
      this.#options.onFailure(`${watch.target.device} is not watched any more: it is gone or down`);
    }
    for (const key of this.#failed.keys()) if (!wanted.has(key)) this.#failed.delete(key);
    return targets.map((target) => this.#followOne(target, targets.length)).every((good) => good);
  }

  /**
   * Watches other ports from now on.
   *
   * @throws {Error} of the method, when a filter is refused; the old ports are watched on, then
   */
  watch(ports: WatchedPorts): void {
    const before = this.#ports;
    this.#ports = ports;
    try {
      for (const watch of this.#watches.values()) this.#refilter(watch);
    } catch (error) {
      this.#ports = before;
      for (const watch of this.#watches.values()) this.#restore(watch);
      throw error;
    }
  }

  get watched(): string[] {
    return [...this.#watches.values()].map(({ target }) => describeTarget(target));
  }

  get rejects(): Map<string, number> {
    return new Map(
      REJECT_NAMES.map((name, i) => [name, this.#rejects[i]] as const).filter(([, n]) => n > 0),
    );
  }

  *losses(): Iterable<{ what: string; count: number }> {
    const drops = new Map(this.#drops);
    for (const { source } of this.#sources()) {
      add(drops, source.device, droppedBy(source));
    }
    for (const [device, count] of drops) {
      yield { what: `packets were dropped by the kernel on ${device}, its buffer was full`, count };
    }
    for (const [device, count] of this.#unread) {
      yield { what: `packets still waited on ${device} when its watch ended`, count };
    }
  }

  drain(limitMs: number): void {
    const deadline = performance.now() + limitMs;
    for (const [key, watch] of [...this.#watches]) {
      for (const { source } of watch.sources) {
        // One source that fails takes the others of its target along: they are closed, then.
        if (!this.#watches.has(key)) break;
        let more = this.#drain(key, source);
        while (more && performance.now() < deadline) more = this.#drain(key, source);
        if (more) this.#leave(source);
      }
    }
  }

  close(): void {
    for (const key of [...this.#watches.keys()]) this.#drop(key);
  }

  #refilter(watch: Watch): void {
    watch.stale = true;
    for (const { refilter } of watch.sources) refilter(watch.target, this.#ports);
    watch.stale = false;
  }

  #restore(watch: Watch): void {
    try {
      this.#refilter(watch);
    } catch {
      // It is stale: the next look at the interfaces tries again, and tells when that fails, too.
    }
  }

  *#sources(): Iterable<FilteredSource> {
    for (const { sources } of this.#watches.values()) yield* sources;
  }

  #followOne(target: Target, share: number): boolean {
    const key = keyOf(target);
    try {
      const watch = this.#watches.get(key);
      if (!watch) this.#open(target, share);
      else if (watch.stale || !sameTarget(watch.target, target)) {
        watch.target = target;
        this.#refilter(watch);
        this.#options.onVerbose(`Watching ${target.device} for packets to ${textOf(target)}`);
      }
      this.#failed.delete(key);
      return true;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (this.#failed.get(key) !== text) {
        this.#options.onFailure(`${target.device} cannot be watched: ${text}`);
      }
      this.#failed.set(key, text);
      return false;
    }
  }

  #open(target: Target, share: number): void {
    const key = keyOf(target);
    const sources = this.#options.method.open(target, this.#ports, share);
    this.#watches.set(key, { target, sources, stale: false });
    try {
      for (const { source } of sources) {
        this.#options.poller.add(source.fd, () => this.#drain(key, source));
      }
    } catch (error) {
      this.#drop(key);
      throw error;
    }
    this.#options.onVerbose(`Watching ${target.device} for packets to ${textOf(target)}`);
  }

  /**
   * Takes what waits, but leaves the rest for the next turn: others have work too.
   *
   * @returns whether there may be more
   */
  #drain(key: string, source: FrameSource): boolean {
    const packet = this.#packet;
    packet.readMs = performance.now();
    for (let turn = 0; turn < FRAMES_PER_TURN; turn++) {
      const length = this.#next(key, source);
      if (length < 0) return false;
      if (decode(this.#frame, length, source.linkType, packet)) {
        packet.timeMs = source.timeMs;
        packet.interfaceIndex = source.interfaceIndex;
        this.#options.onPacket(packet);
      } else this.#rejects[packet.reject]++;
    }
    return true;
  }

  /** The next frame's length; -1 when there is none, or when the source has failed and is left. */
  #next(key: string, source: FrameSource): number {
    try {
      return source.next(this.#frame);
    } catch (error) {
      this.#drop(key);
      const text = error instanceof Error ? error.message : String(error);
      this.#options.onFailure(`${source.device} is not watched any more: ${text}`);
      return -1;
    }
  }

  /** Counts the packets that wait, and that nobody looks at any more. */
  #leave(source: FrameSource): void {
    let count = 0;
    try {
      while (count < MOST_UNREAD && source.next(this.#frame) >= 0) count++;
    } catch {
      // A device that is gone is told anyway.
    }
    add(this.#unread, source.device, count);
  }

  #drop(key: string): void {
    const watch = this.#watches.get(key);
    this.#watches.delete(key);
    for (const { source } of watch?.sources ?? []) {
      this.#options.poller.remove(source.fd);
      add(this.#drops, source.device, droppedBy(source));
      source.close();
    }
  }
}

function add(counts: Map<string, number>, device: string, count: number): void {
  counts.set(device, (counts.get(device) ?? 0) + count);
}

/** A renamed or recreated interface is another target. */
function keyOf({ device, index }: Target): string {
  return `${index} ${device}`;
}

/** A target as a person knows it. */
export function describeTarget(target: Target): string {
  return `${target.device} (${textOf(target)})`;
}

function sameTarget(a: Target, b: Target): boolean {
  return textOf(a) === textOf(b) && [...a.enslaved].join() === [...b.enslaved].join();
}

function textOf({ addresses }: Target): string {
  return addresses.map(({ address, prefix }) => {
    const text = formatBytes(address);
    return prefix === address.length * 8 ? text : `${text}/${prefix}`;
  }).join(", ");
}

/** A device that is gone cannot say any more what it lost. */
function droppedBy(source: FrameSource): number {
  try {
    return source.dropped();
  } catch {
    return 0;
  }
}
