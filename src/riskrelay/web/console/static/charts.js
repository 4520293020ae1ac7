// Charts, drawn from the tables beside them: one source for those who look and for those who read.
"use strict";

const CHART_HEIGHT = 190;
const drawn = new Map();

function color(index) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--series-${index}`).trim();
}

function columnsOf(figure) {
  const rows = [...figure.querySelectorAll("tbody tr")];
  const columns = [...figure.querySelectorAll("thead th")].map((cell, place) => ({
    title: cell.textContent,
    values: rows.map((row) => {
      const text = row.children[place].dataset.value;
      return text === "" ? null : Number(text);
    }),
  }));
  return columns;
}

function axes(unit) {
  const style = getComputedStyle(document.documentElement);
  const shared = {
    stroke: style.getPropertyValue("--muted").trim(),
    grid: { stroke: style.getPropertyValue("--border").trim(), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
  };
  return [
    { ...shared, values: (plot, splits) => splits.map((at) => clock(at)) },
    { ...shared, size: 56, values: (plot, splits) => splits.map((value) => `${value.toLocaleString("en")}${unit}`) },
  ];
}

function clock(at) {
  return at === null ? "" : new Date(at * 1000).toISOString().slice(11, 16);
}

function series(columns, kind) {
  const bars = kind === "bars" ? { paths: uPlot.paths.bars({ size: [0.8, 24] }) } : {};
  return columns.slice(1).map((column, place) => ({
    label: column.title,
    stroke: color(place + 1),
    fill: kind === "bars" ? color(place + 1) : undefined,
    width: kind === "bars" ? 0 : 2,
    points: { show: column.values.filter((value) => value !== null).length < 3 },
    ...bars,
  }));
}

function stacked(columns) {
  const sums = columns[1].values.map(() => 0);
  return columns.slice(1).map((column) => column.values.map((value, row) => (sums[row] += value ?? 0)));
}

// Bars stand on each other; drawn from the highest sum down, so that each covers the foot of the one before.
function data(columns, kind) {
  const values = kind === "bars" ? stacked(columns) : columns.slice(1).map((column) => column.values);
  return [columns[0].values, ...values];
}

function draw(figure) {
  const place = figure.querySelector(".plot");
  if (place === null) return;
  drawn.get(figure.id)?.destroy();
  place.replaceChildren();
  const columns = columnsOf(figure);
  const kind = figure.dataset.chart;
  let lines = series(columns, kind);
  let values = data(columns, kind);
  if (kind === "bars") {
    lines = lines.reverse();
    values = [values[0], ...values.slice(1).reverse()];
  }
  const options = {
    width: place.clientWidth,
    height: CHART_HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    cursor: { y: false },
    legend: { show: columns.length > 2, live: false },
    scales: { y: { range: (plot, low, high) => [0, Math.max(high * 1.1, 1)] } },
    axes: axes(figure.dataset.unit),
    series: [{}, ...lines],
  };
  drawn.set(figure.id, new uPlot(options, values, place));
}

function drawCharts(root) {
  for (const figure of root.querySelectorAll("figure[data-chart]")) draw(figure);
}

addEventListener("resize", () => {
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const place = figure.querySelector(".plot");
    if (place !== null) drawn.get(figure.id)?.setSize({ width: place.clientWidth, height: CHART_HEIGHT });
  }
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawCharts(document));
