/**
 * A strict reader of the text format 0.0.4: it refuses what Prometheus would refuse, and what
 * `promtool check metrics` would complain of.
 *
 * @module
 */
import assert from "node:assert/strict";

/** One line of values. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/s;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\\\|\\"|\\n)*)"(?:,|$)/gy;
const VALUE = /^(?:[+-]?Inf|NaN|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;

/** The samples of a text, by family; asserts that every rule is kept. */
export function readExposition(text: string): Map<string, Sample[]> {
  assert.ok(text.endsWith("\n"), "the last line has an end");
  const families = new Map<string, Sample[]>();
  const types = new Map<string, string>();
  const seen = new Set<string>();
  let current = "";
  let helped = "";
  for (const line of text.slice(0, -1).split("\n")) {
    if (line.startsWith("# HELP ")) {
      const [, name, help] = /^# HELP (\S+) (.+)$/.exec(line) ?? [];
      assert.match(name, NAME);
      assert.ok(help.length > 0);
      assert.ok(!families.has(name), `${name} comes twice`);
      helped = name;
    } else if (line.startsWith("# TYPE ")) {
      const [, name, type] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line) ?? [];
      assert.equal(name, helped, line);
      assert.equal(name.endsWith("_total"), type === "counter", `${name} is a ${type}`);
      families.set(name, []);
      types.set(name, type);
      current = name;
    } else {
      const sample = readSample(line);
      const suffixes = types.get(current) === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
      assert.ok(suffixes.some((suffix) => sample.name === current + suffix), line);
      const key = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).sort())}`;
      assert.ok(!seen.has(key), `${key} comes twice`);
      seen.add(key);
      families.get(current)!.push(sample);
    }
  }
  for (const [name, type] of types) if (type === "histogram") checkHistogram(families.get(name)!);
  return families;
}

function readSample(line: string): Sample {
  const [, name, inner, value] = SAMPLE.exec(line) ?? [];
  assert.ok(name, `no sample: ${line}`);
  assert.match(value, VALUE);
  const labels: Record<string, string> = {};
  let end = 0;
  for (const [whole, key, text] of (inner ?? "").matchAll(LABEL)) {
    end += whole.length;
    assert.ok(!(key in labels), `${key} comes twice: ${line}`);
    labels[key] = text.replaceAll(
      /\\(.)/gs,
      (_, character) => character === "n" ? "\n" : character,
    );
  }
  assert.equal(end, (inner ?? "").length, `labels: ${line}`);
  const number = value.endsWith("Inf") ? (value[0] === "-" ? -Infinity : Infinity) : Number(value);
  return { name, labels, value: number };
}

function checkHistogram(samples: readonly Sample[]): void {
  const buckets = samples.filter(({ name }) => name.endsWith("_bucket"));
  const bounds = buckets.map(({ labels }) => Number(labels.le.replace("+Inf", "Infinity")));
  assert.deepEqual(bounds, bounds.toSorted((a, b) => a - b));
  assert.equal(bounds.at(-1), Infinity);
  const counts = buckets.map(({ value }) => value);
  assert.deepEqual(counts, counts.toSorted((a, b) => a - b));
  assert.equal(samples.find(({ name }) => name.endsWith("_count"))!.value, counts.at(-1));
  assert.ok(samples.some(({ name }) => name.endsWith("_sum")));
}
