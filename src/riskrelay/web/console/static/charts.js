// Charts, drawn from the tables beside them: one source for readers of charts and of tables.
"use strict";

const CHART_HEIGHT = 200;
const drawn = new Map(); // by the figure's id: the plot, and the lines that the legend hides

// The canvas needs a color, not the name of one: the browser resolves it for the current theme.
function color(name) {
  const probe = document.createElement("span");
  probe.className = "hidden";
  document.body.append(probe);
  probe.style.color = `var(--${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function columnsOf(figure) {
  const rows = [...figure.querySelectorAll("tbody tr")];
  return [...figure.querySelectorAll("thead th")].map((cell, place) => ({
    title: cell.textContent,
    values: rows.map((row) => {
      const text = row.children[place].dataset.value;
      return text === "" ? null : Number(text);
    }),
  }));
}

const LEVEL_WORDS = ["none", "low", "medium", "high"];

function inUnit(value, unit) {
  if (unit === "level") return LEVEL_WORDS[value] ?? "";
  if (unit !== "ms") return `${value.toLocaleString("en", { maximumFractionDigits: 2 })}${unit}`;
  if (value >= 60000) return `${(value / 60000).toLocaleString("en", { maximumFractionDigits: 1 })} min`;
  return value >= 1000 ? `${(value / 1000).toLocaleString("en", { maximumFractionDigits: 1 })} s` : `${Math.round(value)} ms`;
}

const clock = (at) => (at === null ? "" : new Date(at * 1000).toISOString().slice(11, 16));
const moment = (at) => `${new Date(at * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;

// Counts have no fractions: a scale of few of them would name a half.
const WHOLE = [1, 2, 5].flatMap((step) => [...Array(10).keys()].map((power) => step * 10 ** power)).sort((one, other) => one - other);
const isWhole = (columns) => columns.slice(1).every((column) => column.values.every((value) => value === null || Number.isInteger(value)));

function axes(unit, columns) {
  const times = columns[0].values;
  const span = times[times.length - 1] - times[0];
  const hasSeconds = span <= 600;
  const tick = span > 2 * 86400 ? (at) => moment(at).slice(5, 10) : !hasSeconds ? clock : (at) => new Date(at * 1000).toISOString().slice(11, 19);
  const shared = {
    stroke: color("muted"),
    grid: { stroke: color("border"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
  };
  return [
    { ...shared, size: 32, space: hasSeconds ? 80 : 55, values: (plot, splits) => splits.map(tick) },
    {
      ...shared,
      size: 60,
      ...(unit === "level" ? { splits: [0, 1, 2, 3] } : isWhole(columns) && unit !== "ms" ? { incrs: WHOLE } : {}),
      values: (plot, splits) => splits.map((value) => inUnit(value, ["level", "ms"].includes(unit) ? unit : "")),
    },
  ];
}

// Results have the colors of their meaning: accepted, rejected, failed.
const numberOf = (figure, place) => (figure.dataset.colors === "results" ? [4, 3, 2][place] : (place % 9) + 1);

function seriesOf(figure, columns, kind, hidden) {
  const isBars = kind === "bars";
  return columns.slice(1).map((column, place) => {
    const line = color(`series-${numberOf(figure, place)}`);
    return {
      label: column.title,
      show: !hidden.has(column.title),
      stroke: line,
      fill: isBars ? line : undefined,
      width: isBars ? 0 : 2,
      points: { show: column.values.filter((value) => value !== null).length < 3 },
      ...(isBars ? { paths: uPlot.paths.bars({ size: [0.8, 24] }) } : {}),
      ...(kind === "levels" ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
    };
  });
}

// Bars stand on each other; drawn from the highest sum down, so that each covers the foot of the one before.
function stacked(columns, hidden) {
  const sums = columns[1].values.map(() => 0);
  return columns.slice(1).map((column) => {
    if (hidden.has(column.title)) return column.values.map(() => null);
    return column.values.map((value, row) => (sums[row] += value ?? 0));
  });
}

function text(name, words) {
  const element = document.createElement(name);
  element.textContent = words;
  return element;
}

function swatch(figure, place) {
  const element = document.createElement("span");
  element.className = `swatch swatch-${numberOf(figure, place)}`;
  return element;
}

// The values under the pointer, with units; a step without a value says why.
function tooltip(figure, columns, hidden) {
  const box = document.createElement("div");
  box.className = "tip";
  box.hidden = true;
  return {
    hooks: {
      init: (plot) => plot.over.append(box),
      setCursor: (plot) => {
        const row = plot.cursor.idx;
        box.hidden = row === null || row === undefined || plot.cursor.left < 0;
        if (box.hidden) return;
        const lines = columns.slice(1).map((column, place) => [column, place]).filter(([column]) => !hidden.has(column.title));
        const isGap = lines.every(([column]) => column.values[row] === null);
        const parts = lines.map(([column, place]) => {
          const value = column.values[row];
          const line = text("p", ` ${column.title} ${value === null ? "–" : inUnit(value, figure.dataset.unit)}`);
          line.prepend(swatch(figure, place));
          line.className = "legend-line";
          return line;
        });
        box.replaceChildren(text("strong", moment(columns[0].values[row])), ...(isGap ? [text("p", figure.dataset.gap)] : parts));
        const isRight = plot.cursor.left > plot.over.clientWidth / 2;
        box.style.left = isRight ? "auto" : `${plot.cursor.left + 12}px`;
        box.style.right = isRight ? `${plot.over.clientWidth - plot.cursor.left + 12}px` : "auto";
        box.style.top = "4px";
      },
    },
  };
}

function drawLegend(figure, columns, hidden) {
  const legend = figure.querySelector(".legend");
  legend.replaceChildren(...columns.slice(1).map((column, place) => {
    const button = text("button", column.title);
    button.type = "button";
    button.prepend(swatch(figure, place));
    button.setAttribute("aria-pressed", !hidden.has(column.title));
    button.addEventListener("click", () => {
      if (!hidden.delete(column.title)) hidden.add(column.title);
      draw(figure);
      figure.querySelectorAll(".legend button")[place].focus();
    });
    return button;
  }));
  legend.hidden = columns.length < 3;
}

function draw(figure) {
  const place = figure.querySelector(".plot");
  if (place === null) return;
  const before = drawn.get(figure.id);
  const hidden = before?.hidden ?? new Set();
  const zoom = before?.zoom;
  before?.plot.destroy();
  place.replaceChildren();
  const columns = columnsOf(figure);
  const kind = figure.dataset.chart;
  let lines = seriesOf(figure, columns, kind, hidden);
  let values = kind === "bars" ? stacked(columns, hidden) : columns.slice(1).map((column) => column.values);
  if (kind === "bars") {
    lines = lines.reverse();
    values = values.reverse();
  }
  const own = { plot: null, hidden, zoom };
  const options = {
    width: place.clientWidth,
    height: CHART_HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    cursor: { y: false, drag: { x: true, y: false } },
    legend: { show: false },
    scales: { y: { range: (plot, low, high) => (kind === "levels" ? [0, 3.2] : [0, Math.max(high * 1.1, 1)]) } },
    axes: axes(figure.dataset.unit, columns),
    series: [{}, ...lines],
    plugins: [tooltip(figure, columns, hidden)],
    hooks: {
      setSelect: [(plot) => { own.zoom = plot.select.width ? [plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x")] : undefined; }],
    },
  };
  own.plot = new uPlot(options, [columns[0].values, ...values], place);
  own.plot.over.addEventListener("dblclick", () => { own.zoom = undefined; });
  if (zoom !== undefined) own.plot.setScale("x", { min: zoom[0], max: zoom[1] });
  drawn.set(figure.id, own);
  drawLegend(figure, columns, hidden);
}

function drawCharts(root) {
  for (const figure of root.querySelectorAll("figure[data-chart]")) draw(figure);
}

addEventListener("resize", () => {
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const place = figure.querySelector(".plot");
    if (place !== null) drawn.get(figure.id)?.plot.setSize({ width: place.clientWidth, height: CHART_HEIGHT });
  }
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawCharts(document));
