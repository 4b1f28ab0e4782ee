/**
 * Which datagrams get the banner.
 *
 * @module
 */
import { hashAddress, newHashKey } from "../packet/address_hash.ts";
import { UDP_BANNER_ENTRIES, UDP_BANNERS_PER_MINUTE } from "../limits.ts";

const MINUTE_MS = 60_000;
/** System ports (RFC 6335, section 6): no client asks from there, but servers answer from there. */
const FIRST_USER_PORT = 1024;

/**
 * Keeps the banner from being a weapon. Whoever sends a datagram can put any source into it:
 *
 * - another service that answers everything, such as echo, chargen or a second portsentry. The two
 *   would answer each other for ever (CERT CA-1996-01). System ports get no banner at all; and a
 *   loop through any other port is one datagram that goes to and fro, so it ends with the first
 *   that is not answered, when the source has had its banners of this minute.
 * - a host that is to be flooded. It gets no more than that, too.
 *
 * The table has a fixed size and no entries of its own for sources: a flood of spoofed ones can take
 * banners away from others for a minute, and no more. IPv6 sources count by their network of 64
 * bits, all of which one host may have.
 */
export class BannerBudget {
  readonly #sent = new Uint8Array(UDP_BANNER_ENTRIES);
  readonly #key: Int32Array;
  #minute = -1;

  /** @param key two secret words: without them nobody can choose a source to silence another */
  constructor(key = newHashKey()) {
    this.#key = key;
  }

  /**
   * Whether a datagram from this source gets the banner, which is counted if so.
   *
   * @param version 4 or 6
   * @param address its bytes in network order
   * @param nowMs any clock, in milliseconds
   */
  spend(version: number, address: Uint8Array, port: number, nowMs: number): boolean {
    if (port < FIRST_USER_PORT) return false;
    const minute = Math.floor(nowMs / MINUTE_MS);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#sent.fill(0);
    }
    const entry = hashAddress(this.#key, address, version === 4 ? 4 : 8) & (UDP_BANNER_ENTRIES - 1);
    if (this.#sent[entry] >= UDP_BANNERS_PER_MINUTE) return false;
    this.#sent[entry]++;
    return true;
  }
}
