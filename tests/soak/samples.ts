/**
 * What a process holds.
 *
 * @module
 */

/** A process at one moment. */
export interface Sample {
  rssKiB: number;
  descriptors: number;
  threads: number;
}

/** Looks at a process: proc(5). */
export function sample(pid: number): Sample {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const value = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(status)![1]);
  return {
    rssKiB: value("VmRSS"),
    descriptors: [...Deno.readDirSync(`/proc/${pid}/fd`)].length,
    threads: value("Threads"),
  };
}

export function least(samples: readonly Sample[], key: keyof Sample): number {
  return Math.min(...samples.map((one) => one[key]));
}

export function most(samples: readonly Sample[], key: keyof Sample): number {
  return Math.max(...samples.map((one) => one[key]));
}
