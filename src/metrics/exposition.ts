/**
 * The text format that Prometheus reads, version 0.0.4 (Prometheus documentation, "Exposition
 * formats", "Text format details").
 *
 * @module
 */

/** What `Content-Type` says of the text. */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Names and values of labels; a value is one of a few words, and never anything from a packet. */
export type Labels = Readonly<Record<string, string>>;

/** What one name stands for. */
export type MetricFamily =
  & {
    /** Such as `portsentry_events_total`: letters, digits and underscores. */
    name: string;
    /** One sentence for people. */
    help: string;
  }
  & ({ type: "counter" | "gauge"; samples: Iterable<readonly [Labels, number]> } | {
    type: "histogram";
    histogram: Histogram;
  });

/** How often values fell into which range; adding one is a search in a short array. */
export class Histogram {
  readonly #counts: Float64Array;
  #sum = 0;

  /** @param bounds the upper ends of the ranges, each greater than the one before */
  constructor(readonly bounds: readonly number[]) {
    this.#counts = new Float64Array(bounds.length + 1);
  }

  add(value: number): void {
    let range = 0;
    while (range < this.bounds.length && value > this.bounds[range]) range++;
    this.#counts[range]++;
    this.#sum += value;
  }

  get sum(): number {
    return this.#sum;
  }

  /** For each bound, and for infinity at the end, how many values were not greater. */
  get cumulative(): number[] {
    let sum = 0;
    return Array.from(this.#counts, (count) => sum += count);
  }
}

/** Families as the text that a scrape answers. */
export function formatMetrics(families: Iterable<MetricFamily>): string {
  let text = "";
  for (const family of families) {
    const { name, help, type } = family;
    text += `# HELP ${name} ${escape(help)}\n# TYPE ${name} ${type}\n`;
    if (family.type === "histogram") text += histogramLines(name, family.histogram);
    else for (const [labels, value] of family.samples) text += line(name, labels, value);
  }
  return text;
}

function histogramLines(name: string, { bounds, cumulative, sum }: Histogram): string {
  const buckets = cumulative.map((count, i) =>
    line(`${name}_bucket`, { le: number(bounds[i] ?? Infinity) }, count)
  );
  return buckets.join("") + line(`${name}_sum`, {}, sum) +
    line(`${name}_count`, {}, cumulative.at(-1)!);
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) =>
    `${key}="${escape(text).replaceAll('"', '\\"')}"`
  );
  return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${number(value)}\n`;
}

/** As Go's ParseFloat reads it. */
function number(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
