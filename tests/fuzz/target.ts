/**
 * What is fuzzed: a parser, its inputs, and what must hold of whatever it makes of any of them.
 *
 * @module
 */

/** An input with a name that says what it is. */
export interface Seed {
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** One parser. */
export interface Target {
  /** Also the folder of its corpus. */
  readonly name: string;
  /** How its inputs are written down: bytes as hexadecimal digits, text as it stands. */
  readonly kind: "bytes" | "text";
  /** Pieces that random changes would hardly ever make. */
  readonly dictionary: readonly Uint8Array[];
  /** Inputs beside the corpus, built by the tests' own builders. */
  readonly seeds: readonly Seed[];
  /**
   * Parses the first `length` bytes of `input`. The errors that the parser documents are a result
   * like others; whatever this throws is a failure.
   *
   * @returns all that was read, as text: the same for the same input, whatever stands behind `length`
   */
  run(input: Uint8Array<ArrayBuffer>, length: number): string;
}

/** Longest input. */
export const MOST_INPUT_BYTES = 4096;

/** A parser of bytes. */
export function bytesTarget(
  name: string,
  run: Target["run"],
  { dictionary = [], seeds = [] }: { dictionary?: Uint8Array[]; seeds?: Seed[] } = {},
): Target {
  return { name, kind: "bytes", dictionary, seeds, run };
}

/** A parser of text, which gets bytes that are no UTF-8 as files are read: as U+FFFD. */
export function textTarget(
  name: string,
  run: (text: string) => string,
  { dictionary = [], seeds = [] }: { dictionary?: string[]; seeds?: [string, string][] } = {},
): Target {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return {
    name,
    kind: "text",
    dictionary: dictionary.map((piece) => encoder.encode(piece)),
    seeds: seeds.map(([name, text]) => ({ name, bytes: encoder.encode(text) })),
    run: (input, length) => run(decoder.decode(input.subarray(0, length))),
  };
}
