/**
 * When packets speak for a tool.
 *
 * @module
 */

/** Packets of an entry are counted up to this; by then all is said. */
export const COUNT_LIMIT = 0xffff;

/** How far the times to live of nmap's packets lie apart at least, once there are a few: at most 22. */
export const NMAP_TTL_SPREAD = 4;

/** Whether `count` of `packets` is enough to name a tool: four of five. */
export function agree(count: number, packets: number): boolean {
  return count > 0 && count * 5 >= packets * 4;
}
