/**
 * Random numbers that a seed repeats: sfc32 of Chris Doty-Humphrey's PractRand, 32 bits at a time.
 *
 * @module
 */

/** A stream of random numbers; the same seed and name give the same stream. */
export class Random {
  readonly #state = new Uint32Array(4);

  /** @param name sets streams of one seed apart */
  constructor(seed: number, name = "") {
    this.#state.set([seed, hashText(name), 0x9e37_79b9, 1]);
    for (let i = 0; i < 16; i++) this.next();
  }

  /** 32 random bits. */
  next(): number {
    const state = this.#state;
    const sum = state[0] + state[1] + state[3]++ >>> 0;
    state[0] = state[1] ^ state[1] >>> 9;
    state[1] = state[2] + (state[2] << 3);
    state[2] = (state[2] << 21 | state[2] >>> 11) + sum;
    return sum;
  }

  /** A number from 0 to `bound - 1`. */
  below(bound: number): number {
    return this.next() % bound;
  }

  /** Whether something of a chance of 1 in `n` happens. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  /** One of a list that is not empty. */
  pick<T>(list: ArrayLike<T>): T {
    return list[this.below(list.length)];
  }
}

/** FNV-1a (RFC draft-eastlake-fnv). */
function hashText(text: string): number {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x0100_0193);
  return hash >>> 0;
}
