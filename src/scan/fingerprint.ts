/**
 * Which tool scans, from the headers of its packets alone.
 *
 * @module
 */
import type { Packet } from "../packet/packet.ts";

/** What the packets of each source say of the tool that made them, in a fixed amount of memory. */
export class Fingerprints {
  /** @param entries sources told apart; their numbers are those of whoever keeps the table of them */
  constructor(readonly entries: number) {}

  /** Forgets what an entry's packets said: another source, or another scan. */
  reset(_entry: number): void {}

  /** Takes one more packet of an entry's scan. Allocates nothing. */
  note(_entry: number, _packet: Packet): void {}

  /** The tool that the packets so far speak for, or `unknown`. */
  toolOf(_entry: number): string {
    return "unknown";
  }
}
