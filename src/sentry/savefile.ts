/**
 * Capture files: what tcpdump, Wireshark and others save, read from the front to the end in a fixed
 * amount of memory.
 *
 * A file may come from anywhere. Lengths in it are bounded, every step goes on by some bytes, and
 * nothing is allocated for a packet.
 *
 * @module
 */
import { isPcap, PcapFormat } from "./savefile_pcap.ts";
import { isPcapng, PcapngFormat } from "./savefile_pcapng.ts";
import { SavedFrame, SavefileError, SavefileWindow } from "./savefile_window.ts";

const MAGIC_BYTES = 4;

/** A capture file: bytes are put in, and frames come out. */
export class Savefile {
  /** What is put in: {@link SavefileWindow.room}, and {@link SavefileWindow.filled}. */
  readonly window: SavefileWindow;
  /** The frame that {@link next} has found. */
  readonly frame = new SavedFrame();
  #format: PcapFormat | PcapngFormat | undefined;

  constructor(window = new SavefileWindow()) {
    this.window = window;
  }

  /**
   * Finds the next frame, which stays where it is until more is put in.
   *
   * @returns false when more of the file is needed
   * @throws {SavefileError} when the file is none, or is damaged here
   */
  next(): boolean {
    if (this.#format === undefined) {
      if (!this.window.has(MAGIC_BYTES)) return false;
      this.#format = this.#recognise();
    }
    return this.#format.next();
  }

  /**
   * Is told that the file has ended.
   *
   * @throws {SavefileError} when that is in the middle of something
   */
  end(): void {
    const { window } = this;
    if (this.#format === undefined) {
      throw new SavefileError(window.unfinished ? NO_CAPTURE_FILE : "It is empty");
    }
    if (window.unfinished) {
      throw new SavefileError(
        `It is cut short: what begins at byte ${window.offset} is not all there`,
      );
    }
  }

  #recognise(): PcapFormat | PcapngFormat {
    const { window, frame } = this;
    if (isPcap(window.view, window.start)) return new PcapFormat(window, frame);
    if (isPcapng(window.view, window.start)) return new PcapngFormat(window, frame);
    throw new SavefileError(NO_CAPTURE_FILE);
  }
}

const NO_CAPTURE_FILE = "It is no capture file: neither pcap nor pcapng";
