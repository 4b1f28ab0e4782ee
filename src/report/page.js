/**
 * What draws the charts of a report's page, in the browser: uPlot is there, and the numbers are beside it.
 * It loads nothing, and makes no markup of any text.
 */
const data = JSON.parse(document.getElementById("data").textContent);
const FONT = "12px system-ui, sans-serif";
const ROW = 26; // a horizontal bar with its gap, in CSS pixels
const WHOLE = [...Array(13).keys()].flatMap((power) => [1, 2, 5].map((n) => n * 10 ** power));
const charts = [];

const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const grouped = (value) => value.toLocaleString("en");
const sum = (values) => values.reduce((all, one) => all + one, 0);
const alpha = (hex) => `${hex}d0`;

/** Text widths in CSS pixels. */
const ruler = document.createElement("canvas").getContext("2d");
const widthOf = (text) => {
  ruler.font = FONT;
  return ruler.measureText(text).width;
};

const fit = (text, width) => {
  if (widthOf(text) <= width) return text;
  const characters = [...text];
  while (characters.length > 1 && widthOf(characters.join("") + "…") > width) characters.pop();
  return characters.join("") + "…";
};

const axis = (more) => ({
  font: FONT,
  stroke: colour("faint"),
  grid: { stroke: colour("line"), width: 1 },
  ticks: { show: false },
  ...more,
});

const bars = uPlot.paths.bars({ size: [0.78, 60], radius: 0.08 });

const series = (label, name, value) => ({
  label,
  value,
  paths: bars,
  points: { show: false },
  fill: alpha(colour(name)),
  stroke: colour(name),
  width: 0,
});

/** Counts by period: upright bars, the series stacked. */
function drawPeriods(place, { labels, height, series: parts }) {
  const width = place.clientWidth;
  // The first series stands on the axis; each other one is drawn before it, as a sum.
  const sums = parts.map((_, i) =>
    labels.map((_, x) => sum(parts.slice(0, i + 1).map(({ values }) => values[x])))
  ).reverse();
  const most = Math.max(1, ...sums[0]);
  const shown = parts.toReversed();
  const step = Math.max(1, Math.ceil(labels.length * 46 / width));
  return new uPlot(
    {
      width,
      height,
      padding: [12, 18, 0, 0],
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: {
        x: { time: false, range: () => [-0.6, labels.length - 0.4] },
        y: { range: () => [0, most * 1.05] },
      },
      axes: [
        axis({
          grid: { show: false },
          splits: () => labels.map((_, x) => x).filter((x) => (labels.length - 1 - x) % step === 0),
          values: (_, splits) => splits.map((x) => labels[x].axis),
          size: 30,
        }),
        axis({
          size: 14 + widthOf(grouped(most)),
          incrs: WHOLE,
          values: (_, splits) => splits.map(grouped),
        }),
      ],
      series: [
        { label: "From", value: (_, x) => x === null ? "all" : labels[x].full },
        ...shown.map(({ label, colour, values }) =>
          series(label, colour, (_u, _v, _s, x) => grouped(x === null ? sum(values) : values[x]))
        ),
      ],
    },
    [labels.map((_, x) => x), ...sums],
    place,
  );
}

/** Counts by name: a lying bar each, with its number at its end. */
function drawNames(place, { names, values, colour: name }) {
  const width = place.clientWidth;
  const most = Math.max(1, ...values);
  const side = Math.min(width * 0.45, Math.max(...names.map(widthOf)) + 14);
  const numbers = Math.max(...values.map((value) => widthOf(grouped(value)))) + 12;
  return new uPlot(
    {
      width,
      height: names.length * ROW + 8,
      padding: [4, numbers, 4, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, ori: 1, dir: -1, range: () => [-0.5, names.length - 0.5] },
        y: { ori: 0, range: () => [0, most] },
      },
      axes: [
        axis({
          side: 3,
          size: side,
          gap: 6,
          stroke: colour("text"),
          grid: { show: false },
          splits: () => names.map((_, i) => i),
          values: (_, splits) => splits.map((i) => fit(names[i], side - 10)),
        }),
        { show: false, side: 2 },
      ],
      series: [{}, series("", name)],
      hooks: {
        draw: [(chart) => {
          const { ctx } = chart;
          ctx.save();
          ctx.font = FONT.replace("12px", `${12 * devicePixelRatio}px`);
          ctx.fillStyle = colour("faint");
          ctx.textAlign = "left";
          ctx.textBaseline = "middle";
          for (const [i, value] of values.entries()) {
            const left = chart.valToPos(value, "y", true) + 5 * devicePixelRatio;
            ctx.fillText(grouped(value), left, chart.valToPos(i, "x", true));
          }
          ctx.restore();
        }],
      },
    },
    [names.map((_, i) => i), values],
    place,
  );
}

function drawAll() {
  for (const chart of charts.splice(0)) chart.destroy();
  for (const one of data.charts) {
    const place = document.getElementById(one.id);
    charts.push(one.labels ? drawPeriods(place, one) : drawNames(place, one));
  }
}

let width = document.documentElement.clientWidth;
drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
addEventListener("resize", () => {
  if (document.documentElement.clientWidth === width) return;
  width = document.documentElement.clientWidth;
  drawAll();
});
