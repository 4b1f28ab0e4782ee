import assert from "node:assert/strict";
import fc from "fast-check";
import { formatMetrics, Histogram } from "../../src/metrics/exposition.ts";
import { readExposition } from "./exposition_grammar.ts";

Deno.test("formatMetrics() writes the lines of the text format", () => {
  const histogram = new Histogram([0.5, 2]);
  for (const value of [0.5, 1, 3]) histogram.add(value);
  const text = formatMetrics([
    { name: "a_total", help: "All.", type: "counter", samples: [[{ b: "c", d: "e" }, 3]] },
    { name: "f", help: "A\nB\\", type: "gauge", samples: [[{}, 1e21]] },
    { name: "g_seconds", help: "Times.", type: "histogram", histogram },
  ]);
  assert.equal(
    text,
    `# HELP a_total All.
# TYPE a_total counter
a_total{b="c",d="e"} 3
# HELP f A\\nB\\\\
# TYPE f gauge
f 1e+21
# HELP g_seconds Times.
# TYPE g_seconds histogram
g_seconds_bucket{le="0.5"} 1
g_seconds_bucket{le="2"} 2
g_seconds_bucket{le="+Inf"} 3
g_seconds_sum 4.5
g_seconds_count 3
`,
  );
});

Deno.test("formatMetrics() gives back any label and any number (property)", () => {
  const key = fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/);
  fc.assert(fc.property(
    fc.dictionary(key, fc.string({ unit: "binary" })),
    fc.double(),
    (labels, value) => {
      const text = formatMetrics([{
        name: "x",
        help: "X.",
        type: "gauge",
        samples: [[labels, value]],
      }]);
      const [sample] = readExposition(text).get("x")!;
      assert.deepEqual(Object.entries(sample.labels).sort(), Object.entries(labels).sort());
      assert.ok(
        Object.is(sample.value, value) || sample.value === value,
        `${sample.value} ${value}`,
      );
    },
  ));
});

Deno.test("Histogram counts every value once (property)", () => {
  fc.assert(fc.property(fc.array(fc.double({ min: 0, noNaN: true, max: 1e9 })), (values) => {
    const histogram = new Histogram([0.01, 1, 100]);
    for (const value of values) histogram.add(value);
    assert.deepEqual(
      histogram.cumulative,
      [0.01, 1, 100, Infinity].map((bound) => values.filter((value) => value <= bound).length),
    );
  }));
});
