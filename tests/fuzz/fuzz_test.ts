import assert from "node:assert/strict";
import { CORPUS, namesIn, seedsOf, storedSeeds } from "./corpus.ts";
import { Examiner } from "./examine.ts";
import { fuzz } from "./fuzz.ts";
import { Mutator } from "./mutate.ts";
import { TARGETS as PLANTED } from "./planted.ts";
import { Random } from "./random.ts";
import { MOST_INPUT_BYTES, type Target } from "./target.ts";
import { TARGETS } from "./targets.ts";

const PLANTED_MODULE = new URL("./planted.ts", import.meta.url).href;
const SEED = 20_260_101;
/** What the pass below takes for all targets together, several of them at once. */
const SECONDS = 60;

function planted(name: string): Target {
  return PLANTED.find((target) => target.name === name)!;
}

for (const target of TARGETS) {
  const seeds = seedsOf(target);
  Deno.test(`fuzz: ${target.name} holds for the ${seeds.length} inputs of its corpus`, () => {
    assert.ok(seeds.length > 0);
    const examiner = new Examiner(target);
    for (const { name, bytes } of seeds) {
      const failure = examiner.examine(bytes);
      assert.equal(failure, undefined, `${name} ${failure?.kind}: ${failure?.message}`);
    }
  });
}

Deno.test(`fuzz: every target holds for changed inputs, ${SECONDS} s of them in all`, async () => {
  const waiting = [...TARGETS];
  const failures: string[] = [];
  const work = async () => {
    for (let target = waiting.pop(); target; target = waiting.pop()) {
      const { failure, runs } = await fuzz(target, SEED, SECONDS / TARGETS.length);
      assert.ok(runs > seedsOf(target).length, `${target.name}: only ${runs} inputs`);
      if (!failure) continue;
      failures.push(
        `${target.name}: ${failure.input.toHex()} ${failure.kind}: ${failure.message}\n` +
          `SEED=${SEED} FUZZ_SECONDS=${SECONDS} make fuzz TARGET=${target.name}`,
      );
    }
  };
  await Promise.all(Array.from({ length: Math.min(navigator.hardwareConcurrency, 4) }, work));
  assert.deepEqual(failures, []);
});

Deno.test("the corpus holds files of known targets only", () => {
  assert.deepEqual(
    namesIn(CORPUS).filter((folder) => !TARGETS.some(({ name }) => name === folder)),
    [],
  );
  for (const target of TARGETS) {
    assert.equal(
      storedSeeds(target).length,
      namesIn(new URL(`${target.name}/`, CORPUS)).length,
      target.name,
    );
  }
});

const FAULTS: [target: string, kind: string, smallest: RegExp | undefined][] = [
  ["throws", "throws", /^0200ff$/],
  ["reads-past-the-end", "reads past the end", /^..$/],
  ["is-not-deterministic", "is not deterministic", /^6e6f77$/],
  ["hangs", "hangs", undefined],
  ["hides", "throws", /^9c41d2$/],
];

for (const [name, kind, smallest] of FAULTS) {
  Deno.test(`fuzz() finds a parser that ${kind} (${name}), and its smallest input`, async () => {
    const { failure } = await fuzz(planted(name), SEED, 20, PLANTED_MODULE);
    assert.equal(failure?.kind, kind, failure?.message);
    if (smallest) assert.match(failure.input.toHex(), smallest);
  });
}

Deno.test("fuzz() finds nothing in a good parser", async () => {
  const { failure, runs } = await fuzz(planted("is-good"), SEED, 0.5, PLANTED_MODULE);
  assert.equal(failure, undefined);
  assert.ok(runs > 1000, `${runs}`);
});

Deno.test("Mutator repeats its inputs for a seed, and makes others for another one", () => {
  const inputs = (seed: number) => {
    const target = TARGETS.find(({ name }) => name === "config")!;
    const mutator = new Mutator(target, seedsOf(target), new Random(seed, target.name));
    return Array.from({ length: 500 }, () => mutator.next());
  };
  assert.deepEqual(inputs(1), inputs(1));
  assert.notDeepEqual(inputs(1), inputs(2));
  assert.ok(inputs(1).every(({ length }) => length <= MOST_INPUT_BYTES));
});

Deno.test("Random gives every number below a bound about as often", () => {
  const random = new Random(1);
  const counts = new Uint32Array(16);
  for (let i = 0; i < 160_000; i++) counts[random.below(16)]++;
  assert.ok(counts.every((count) => count > 9500 && count < 10_500), counts.join(" "));
});
