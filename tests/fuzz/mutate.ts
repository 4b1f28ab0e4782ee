/**
 * Changes to inputs: blind ones, ones that know what numbers and lengths look like in headers, and
 * ones that know lines and words.
 *
 * @module
 */
import type { Random } from "./random.ts";
import { MOST_INPUT_BYTES, type Seed, type Target } from "./target.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Change = (input: Bytes, random: Random, mutator: Mutator) => Bytes;

const MOST_CHANGES = 6;
/** Numbers at whose edges code goes wrong. */
const INTERESTING = [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 19, 20, 31, 32, 39, 40, 63, 64, 127, 128, 255]
  .concat([256, 1023, 1024, 32_767, 32_768, 65_534, 65_535, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]);
const INTERESTING_TEXT = ["-1", "65536", "99999", "4294967296", "9007199254740993", "1e3", "0x1f"]
  .concat([
    "1".repeat(400),
    "00",
    "NaN",
    "Infinity",
    "",
    " ",
    "\t",
    "\r",
    "\0",
    "\u2028",
    "\x1b[31m",
  ])
  .map((text) => new TextEncoder().encode(text));

/** Makes new inputs of old ones. */
export class Mutator {
  readonly #changes: readonly Change[];

  /** @param pool inputs to start from; it may grow */
  constructor(readonly target: Target, readonly pool: Seed[], readonly random: Random) {
    this.#changes = target.kind === "bytes" ? BYTE_CHANGES : TEXT_CHANGES;
  }

  /** One of the pool, with a few changes. */
  next(): Bytes {
    const { random, pool } = this;
    // Half of the time one that brought something new: those come last.
    const recent = random.oneIn(2) ? Math.min(16, pool.length) : pool.length;
    let input: Bytes = pool[pool.length - 1 - random.below(recent)].bytes.slice();
    for (let changes = 1 + random.below(MOST_CHANGES); changes > 0; changes--) {
      input = random.pick(this.#changes)(input, random, this);
    }
    return input.length > MOST_INPUT_BYTES ? input.slice(0, MOST_INPUT_BYTES) : input;
  }
}

const flipBit: Change = (input, random) => {
  if (input.length > 0) input[random.below(input.length)] ^= 1 << random.below(8);
  return input;
};

const setByte: Change = (input, random) => {
  if (input.length > 0) input[random.below(input.length)] = random.next();
  return input;
};

/** An edge number of one, two or four bytes, in either order. */
const setNumber: Change = (input, random) => {
  const at = random.below(input.length + 1);
  return write(input, at, random.pick([1, 2, 2, 4]), random.pick(INTERESTING), random.oneIn(2));
};

/** What may be a length field, because it fits what follows, gets a value about what is there. */
const setLength: Change = (input, random) => {
  const from = random.below(input.length + 1);
  for (let at = from; at + 2 <= input.length; at++) {
    const little = random.oneIn(2);
    const value = little ? input[at] | input[at + 1] << 8 : input[at] << 8 | input[at + 1];
    if (value === 0 || value > input.length) continue;
    const rest = input.length - at;
    const values = [0, value - 1, value + 1, value * 2, rest, rest - 1, rest + 1, 65_535];
    return write(input, at, 2, random.pick(values), little);
  }
  return input;
};

/** A few of the bits that hold a header's length in words, or a version. */
const setNibble: Change = (input, random) => {
  if (input.length === 0) return input;
  const at = random.below(input.length);
  const nibble = random.below(16);
  input[at] = random.oneIn(2) ? input[at] & 0xf0 | nibble : input[at] & 0x0f | nibble << 4;
  return input;
};

const truncate: Change = (input, random) => input.slice(0, random.below(input.length + 1));

const remove: Change = (input, random) => {
  const [from, to] = span(input, random);
  return splice(input, from, to, new Uint8Array(0));
};

const duplicate: Change = (input, random) => {
  const [from, to] = span(input, random);
  return splice(input, to, to, input.subarray(from, to));
};

const insertRandom: Change = (input, random) => {
  const at = random.below(input.length + 1);
  return splice(
    input,
    at,
    at,
    Uint8Array.from({ length: 1 + random.below(16) }, () => random.next()),
  );
};

const insertWord: Change = (input, random, { target }) => {
  if (target.dictionary.length === 0) return input;
  const word = random.pick(target.dictionary);
  const at = random.below(input.length + 1);
  return splice(input, at, random.oneIn(2) ? at : at + word.length, word);
};

/** The beginning of this input and the end of another one. */
const cross: Change = (input, random, { pool }) => {
  const other = random.pick(pool).bytes;
  const at = random.below(input.length + 1);
  // Mostly where the two have the same place, so that headers stay in line.
  const from = random.oneIn(4) ? random.below(other.length + 1) : Math.min(at, other.length);
  return splice(input, at, input.length, other.subarray(from));
};

const NUMBER = /[0-9]+/g;

/** A number in the text becomes one at an edge. */
const setTextNumber: Change = (input, random) => {
  const text = latin1(input);
  const numbers = [...text.matchAll(NUMBER)];
  if (numbers.length === 0) return input;
  const { index, 0: digits } = random.pick(numbers);
  const value = random.oneIn(2)
    ? random.pick(INTERESTING_TEXT)
    : new TextEncoder().encode(String(random.pick(INTERESTING)));
  return splice(input, index, index + digits.length, value);
};

const insertText: Change = (input, random) => {
  const at = random.below(input.length + 1);
  return splice(input, at, at, random.pick(INTERESTING_TEXT));
};

/** A line is left out, comes twice, or changes places with another one of the pool. */
const changeLine: Change = (input, random, { pool }) => {
  const [from, to] = lineOf(input, random);
  if (random.oneIn(3)) return splice(input, from, to, new Uint8Array(0));
  if (random.oneIn(2)) return splice(input, from, from, input.slice(from, to));
  const other = random.pick(pool).bytes;
  const [otherFrom, otherTo] = lineOf(other, random);
  return splice(input, from, to, other.subarray(otherFrom, otherTo));
};

const BYTE_CHANGES = [flipBit, setByte, setNumber, setNumber, setLength, setLength, setNibble]
  .concat([truncate, remove, duplicate, insertRandom, insertWord, cross]);
const TEXT_CHANGES = [flipBit, setByte, truncate, remove, duplicate, insertWord, insertWord]
  .concat([insertText, setTextNumber, setTextNumber, changeLine, changeLine, cross]);

function write(input: Bytes, at: number, size: number, value: number, little: boolean): Bytes {
  for (let i = 0; i < size && at + i < input.length; i++) {
    input[at + i] = value / 2 ** (8 * (little ? i : size - 1 - i));
  }
  return input;
}

function splice(input: Bytes, from: number, to: number, piece: Uint8Array): Bytes {
  const end = Math.min(to, input.length);
  const result = new Uint8Array(from + piece.length + input.length - end);
  result.set(input.subarray(0, from));
  result.set(piece, from);
  result.set(input.subarray(end), from + piece.length);
  return result;
}

/** A part of the input, mostly a short one. */
function span(input: Bytes, random: Random): [from: number, to: number] {
  const from = random.below(input.length + 1);
  const most = random.oneIn(4) ? input.length - from : Math.min(16, input.length - from);
  return [from, from + random.below(most + 1)];
}

function lineOf(input: Bytes, random: Random): [from: number, to: number] {
  const at = random.below(input.length + 1);
  const from = at === 0 ? 0 : input.lastIndexOf(0x0a, at - 1) + 1;
  const end = input.indexOf(0x0a, at);
  return [from, end < 0 ? input.length : end + 1];
}

function latin1(input: Bytes): string {
  let text = "";
  for (const byte of input) text += String.fromCharCode(byte);
  return text;
}
