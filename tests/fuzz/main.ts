/**
 * `make fuzz`: every target for its share of FUZZ_SECONDS (60), from SEED or a fresh one. Words behind
 * it choose targets whose names begin so.
 *
 * @module
 */
import { writeCrash } from "./corpus.ts";
import { fuzz } from "./fuzz.ts";
import { TARGETS } from "./targets.ts";

const DEFAULT_SECONDS = 60;

/** A whole number from the environment. */
function setting(name: string, otherwise: number): number {
  const text = Deno.env.get(name) ?? "";
  if (text === "") return otherwise;
  if (/^\d{1,10}$/.test(text)) return Number(text);
  console.error(`${name}="${text}": write a whole number`);
  Deno.exit(2);
}

const seed = setting("SEED", crypto.getRandomValues(new Uint32Array(1))[0]);
const seconds = setting("FUZZ_SECONDS", DEFAULT_SECONDS);
const chosen = TARGETS.filter(({ name }) =>
  Deno.args.length === 0 || Deno.args.some((start) => name.startsWith(start))
);
if (chosen.length === 0) {
  console.error(`There is no such target: ${TARGETS.map(({ name }) => name).join(", ")}`);
  Deno.exit(2);
}

console.log(`SEED=${seed} make fuzz  # repeats this; ${seconds} s for ${chosen.length} targets`);
let failures = 0;
for (const target of chosen) {
  const outcome = await fuzz(target, seed, seconds / chosen.length);
  const { runs, found, failure } = outcome;
  const rate = Math.round(runs / outcome.seconds).toLocaleString("en");
  console.log(
    `${target.name.padEnd(20)} ${rate.padStart(9)} inputs/s, ${runs} in all, ${found} new`,
  );
  if (!failure) continue;
  failures++;
  const told = `${failure.kind}: ${failure.message}`;
  console.log(`FAILED: ${told}\n  ${writeCrash(target, failure.input, told.split("\n", 1)[0])}`);
}
if (failures > 0) Deno.exit(1);
