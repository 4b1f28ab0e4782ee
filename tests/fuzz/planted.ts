/**
 * Parsers with a fault each, that the fuzzer has to find.
 *
 * @module
 */
import { bytesTarget, type Target, textTarget } from "./target.ts";

let calls = 0;

/** A record of a length and as many bytes, the last of which counts. */
const record = Uint8Array.of(2, 7, 7);

export const TARGETS: readonly Target[] = [
  bytesTarget("throws", (input, length) => {
    if (length > 2 && input[0] === 2 && input[2] === 0xff) throw new RangeError("0xff");
    return "";
  }, { seeds: [{ name: "record", bytes: record }] }),
  bytesTarget("reads-past-the-end", (input, length) => length > 0 ? `${input[input[0]]}` : "", {
    seeds: [{ name: "record", bytes: record }],
  }),
  textTarget("is-not-deterministic", (text) => text.includes("now") ? `${calls++}` : "", {
    dictionary: ["now"],
    seeds: [["then", "then, and later on"]],
  }),
  textTarget("hangs", (text) => {
    for (let at = 0; at < text.length;) at += text[at] === "0" ? 0 : 1;
    return "";
  }, { seeds: [["number", "5"]] }),
  bytesTarget("is-good", (input, length) => input.subarray(0, length).toHex(), {
    seeds: [{ name: "record", bytes: record }],
  }),
  // Four bytes that no blind change finds, but one after the other.
  bytesTarget("hides", (input, length) => {
    const word = [0x9c, 0x41, 0xd2, 0x07];
    let right = 0;
    if (length > 0 && input[0] === word[0]) {
      right = 1;
      if (length > 1 && input[1] === word[1]) {
        right = 2;
        if (length > 2 && input[2] === word[2]) right = 3;
      }
    }
    if (right === 3) throw new Error("found");
    return "";
  }, { seeds: [{ name: "record", bytes: record }] }),
];
