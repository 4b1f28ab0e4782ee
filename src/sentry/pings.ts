/**
 * Pings: each host that sends them is told once for each address that it asks, until it is quiet.
 *
 * @module
 */
import { PING_ENTRIES, PING_QUIET_S } from "../limits.ts";
import type { Packet } from "../packet/packet.ts";
import { RecentKeys } from "./recent_keys.ts";

const TYPE = 32; // behind both addresses
const KEY_BYTES = 36;

/**
 * A host that is pinged every second or minute, by whoever watches whether it is up, has one event of
 * it. One that goes through this host's addresses has one for each. Forged sources can make the table
 * forget: then a ping is told once more.
 */
export class Pings {
  readonly #recent = new RecentKeys(PING_ENTRIES, KEY_BYTES);
  readonly #key = new Uint8Array(KEY_BYTES);

  /** Whether a ping is told: the first of its kind after a while. */
  isNews({ version, source, destination, icmpType, readMs }: Packet): boolean {
    const length = version === 4 ? 4 : 16;
    for (let i = 0; i < 16; i++) {
      this.#key[i] = i < length ? source[i] : 0;
      this.#key[16 + i] = i < length ? destination[i] : 0;
    }
    this.#key[TYPE] = version;
    this.#key[TYPE + 1] = icmpType;
    const nowS = Math.floor(readMs / 1000);
    const before = this.#recent.refresh(this.#key, nowS);
    if (before >= 0) return nowS - before > PING_QUIET_S;
    this.#recent.note(this.#key, nowS, 0);
    return true;
  }
}
