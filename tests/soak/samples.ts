/**
 * What a process holds, once a second, and whether it grows.
 *
 * @module
 */

/** A process at one moment. */
export interface Sample {
  /** Seconds since the first. */
  atS: number;
  rssKiB: number;
  descriptors: number;
  threads: number;
}

/** The memory that garbage takes comes and goes: what is left after it is the least of so many seconds. */
const BIN_S = 10;

/** Looks at a process: proc(5). */
export function sample(pid: number, atS: number): Sample {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const value = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(status)![1]);
  return {
    atS,
    rssKiB: value("VmRSS"),
    descriptors: [...Deno.readDirSync(`/proc/${pid}/fd`)].length,
    threads: value("Threads"),
  };
}

/** Those from one part of the time to another, of 0 to 1. */
export function between(samples: readonly Sample[], from: number, to: number): Sample[] {
  const endS = samples.at(-1)!.atS;
  return samples.filter(({ atS }) => atS >= from * endS && atS <= to * endS);
}

export function least(samples: readonly Sample[], key: keyof Sample): number {
  return Math.min(...samples.map((one) => one[key]));
}

export function most(samples: readonly Sample[], key: keyof Sample): number {
  return Math.max(...samples.map((one) => one[key]));
}

/** How fast memory grows, in KiB a minute: least squares over the least of each ten seconds. */
export function slope(samples: readonly Sample[]): number {
  const bins = Map.groupBy(samples, ({ atS }) => Math.floor(atS / BIN_S));
  const points = [...bins].map(([bin, ones]) => [bin * BIN_S / 60, least(ones, "rssKiB")]);
  const mean = (i: number) => points.reduce((sum, point) => sum + point[i], 0) / points.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  const over = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return over / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}
