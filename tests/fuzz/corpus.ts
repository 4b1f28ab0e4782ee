/**
 * Named inputs on disk, as a person can read them: `corpus/TARGET/NAME.hex` for bytes, `.txt` for
 * text, whose last end of line is the file's and not the input's.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { MOST_INPUT_BYTES, type Seed, type Target } from "./target.ts";

export const CORPUS = new URL("./corpus/", import.meta.url);
export const CRASHES = new URL("./crashes/", import.meta.url);

const HEX_LINE_BYTES = 32;

/** All inputs to start from: those in the target's folder, then those that it builds. */
export function seedsOf(target: Target): Seed[] {
  return [...storedSeeds(target), ...target.seeds].map(({ name, bytes }) => ({
    name,
    bytes: bytes.subarray(0, MOST_INPUT_BYTES),
  }));
}

/** The inputs in the target's folder. */
export function storedSeeds(target: Target): Seed[] {
  const folder = new URL(`${target.name}/`, CORPUS);
  const ending = endingOf(target);
  return namesIn(folder).filter((name) => name.endsWith(ending)).map((name) => ({
    name: name.slice(0, -ending.length),
    bytes: fromFile(target.kind, Deno.readTextFileSync(new URL(name, folder))),
  }));
}

/** Names of the files in a folder, sorted; none when there is no such folder. */
export function namesIn(folder: URL): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Files of this target end so. */
export function endingOf(target: Target): string {
  return target.kind === "bytes" ? ".hex" : ".txt";
}

/** An input as its file has it. */
export function toFile(kind: Target["kind"], bytes: Uint8Array, remark: string): string {
  if (kind === "text") return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) + "\n";
  const lines = bytes.toHex().match(new RegExp(`.{1,${HEX_LINE_BYTES * 2}}`, "g")) ?? [];
  return [...remark.split("\n").map((line) => `# ${line}`), ...lines, ""].join("\n");
}

function fromFile(kind: Target["kind"], text: string): Uint8Array<ArrayBuffer> {
  if (kind === "text") return new TextEncoder().encode(text.replace(/\n$/, ""));
  return Uint8Array.fromHex(text.replaceAll(/^#.*$/gm, "").replaceAll(/\s/g, ""));
}

/**
 * Writes an input that failed into `crashes`.
 *
 * @param remark what failed
 * @returns how to make it a named one of the corpus
 */
export function writeCrash(target: Target, bytes: Uint8Array, remark: string): string {
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
  Deno.mkdirSync(CRASHES, { recursive: true });
  const file = `${target.name}-${hash}${endingOf(target)}`;
  Deno.writeTextFileSync(new URL(file, CRASHES), toFile(target.kind, bytes, remark));
  const folder = `tests/fuzz/corpus/${target.name}`;
  return `tests/fuzz/crashes/${file}\n` +
    `  keep it: mkdir -p ${folder} && ` +
    `mv tests/fuzz/crashes/${file} ${folder}/NAME${endingOf(target)}`;
}
