"""docs/benchmarks.md and its plots, from what a run of the whole benchmark measured."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pygal import PluginImportFixer
from pygal.graph.horizontalbar import HorizontalBar
from pygal.style import Style

from riskrelay.bench.report import FLOOR_LABELS, LABELS, figure

# It answers every later import of the process in the manner of Python 3.3, which is a warning each time.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, PluginImportFixer)]

_STYLE = Style(
    background="#ffffff",
    plot_background="#ffffff",
    foreground="#333333",
    foreground_strong="#111111",
    foreground_subtle="#999999",
    font_family="sans-serif",
    colors=("#2f6fb0", "#e08a2e", "#b03a48"),
    label_font_size=12,
    value_font_size=12,
    major_label_font_size=12,
    legend_font_size=12,
    title_font_size=15,
)
_LATENCY_PARTS = Path(__file__).with_name("latency_parts.md")  # from traces, which a run of the benchmark has not
_LIMITS = {
    "rs256": "RSA-2048 signatures by `openssl speed -multi 2`",
    "es256": "ECDSA P-256 signatures by `openssl speed -multi 2`",
    "fsyncs": "durable writes of 4 KiB to the same file system",
    "pushes": "pushes by the product's client to a constant response, one process",
}
_SECTIONS = {
    "ingest": "Accepting findings: each is about a new user and changes a level; one integration, no delivery",
    "rules": "Findings in batches, each about a new user, without and with ten rules of three different times; the CPU "
    "includes their evaluation",
    "sources": "Events of a source, in batches of 1,000 with gzip, each a finding about a new user; beside it findings "
    "in batches of the same run, and single findings of another account",
    "large": "Single findings of an account, with and without requests of 10,000 items (at scale 1) of another account "
    "beside them: findings, logins of one user far apart, and logins of 2,000 users",
    "latency": "Delivery latency: from the scheduled time of a finding until the receiver has its event "
    "(open loop, so waits behind late requests count)",
    "sustained": "Accepted in batches, decided, signed, pushed and settled, all at once",
    "replays": "A replay of delivered events; its rate as a share of the rate at which they were accepted and "
    "delivered",
    "crowd": "Twenty integrations in each of many accounts (2,000 in all at scale 1): the effect of dead and slow "
    "receivers on healthy ones",
    "backlog": "Cost of an event, accepted and delivered, with an empty ledger and with a million rows (at scale 1)",
    "drain": "Cost of an event that waited, with a small backlog and with one of a million (at scale 1)",
}
_PLOTTED = {
    "ingest": ("findings_per_s",),
    "rules": ("service_cpu_us",),
    "sources": ("source_events_per_s", "findings_per_s"),
    "large": ("alone_p99_ms", "beside_p99_ms"),
    "latency": ("p50_ms", "p99_ms", "p99_9_ms"),
    "sustained": ("events_per_s",),
    "replays": ("replayed_per_s",),
    "crowd": ("p50_ms", "p99_ms", "p99_9_ms"),
    "backlog": ("cost_us", "memory_mb"),
    "drain": ("cost_us", "memory_mb"),
}

_INTRODUCTION = """\
`make bench` measures the machine's own limits and the product in one run, and writes this page; compare the ratios,
not the figures. Everything is real: service, workers, receiver and the measuring client are processes on the same
cores, databases are durable, receivers speak plain http on the same machine. `riskrelay bench` runs the first three
scenarios on your machine in about a minute."""


def write_page(whole: dict[str, Any], directory: Path) -> None:
    """Write benchmarks.md into *directory*, and the plots into its folder benchmarks/."""
    plots = directory / "benchmarks"
    plots.mkdir(parents=True, exist_ok=True)
    for scenario in _PLOTTED:
        rows = _rows(whole, scenario)
        if rows:
            (plots / f"{scenario}.svg").write_text(_plot(scenario, rows))
    (directory / "benchmarks.md").write_text("\n".join(_lines(whole)) + "\n")


def _lines(whole: dict[str, Any]) -> Iterator[str]:
    machine = whole["machine"]
    yield "# Benchmarks"
    yield ""
    yield _INTRODUCTION
    yield ""
    if whole["note"]:
        yield f"**{whole['note']}**"
        yield ""
    yield f"{machine['cores']} cores, {machine['system']}, Python {machine['python']}; commit {whole['commit']},"
    yield f"{whole['at']}; `{whole['command']}` ({whole['seconds']} s);"
    yield f"the receiver is in {whole['receiver']}."
    yield ""
    for failure in whole["failed"]:
        yield from (f"**Not measured**: {failure}", "")
    yield from _limits(whole)
    yield from _targets(whole)
    for scenario, title in _SECTIONS.items():
        rows = _rows(whole, scenario)
        if rows:
            yield from _section(scenario, title, rows)
        if rows and scenario == "latency":
            yield from (_LATENCY_PARTS.read_text().rstrip(), "")


def _limits(whole: dict[str, Any]) -> Iterator[str]:
    yield from ("## The machine itself", "", "| what | per second |", "|---|---|")
    for name, label in _LIMITS.items():
        value = whole["limits"][name]
        yield f"| {label} | {'not installed' if value is None else f'{value:,.0f}'} |"
    yield from ("", "| what, alone | median |", "|---|---|")
    for name, label in FLOOR_LABELS.items():
        yield f"| {label} | {figure(name, whole['limits']['floor'][name])} |"
    yield ""


def _targets(whole: dict[str, Any]) -> Iterator[str]:
    if not whole["targets"]:
        return
    best = "If a scenario ran more than once, the best run counts; all runs are below."
    yield from ("## Targets (two cores)", "", best, "", "| target | measured | |", "|---|---|---|")
    for row in whole["targets"]:
        yield f"| {row['target']} | {_value(row)} | {'met' if row['is_met'] else '**missed**'} |"
    yield ""


def _value(row: dict[str, Any]) -> str:
    if row["unit"] == "%":
        return f"{row['value']:.0%}"
    return f"{row['value']:,.0f}{row['unit']}" if row["unit"] == "/s" else f"{row['value']:,.2f} {row['unit']}"


def _section(scenario: str, title: str, rows: list[dict[str, Any]]) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in rows for name in (*row["figures"], *row["ratios"])))
    yield from (f"## {scenario.capitalize()}", "", f"{title}.", "", f"![{title}](benchmarks/{scenario}.svg)", "")
    yield f"| | on | workers | {' | '.join(LABELS[name] for name in names)} |"
    yield f"|---|---|---|{'---|' * len(names)}"
    for row in rows:
        found = {**row["figures"], **row["ratios"]}
        cells = [figure(name, found[name]) if name in found else "" for name in names]
        yield f"| {row['variant']} | {row['engine']} | {row['workers'] or 'in the service'} | {' | '.join(cells)} |"
    yield ""


def _rows(whole: dict[str, Any], scenario: str) -> list[dict[str, Any]]:
    return [row for row in whole["measured"] if row["scenario"] == scenario]


def _plot(scenario: str, rows: list[dict[str, Any]]) -> str:
    """Horizontal bars: a group for each run, a bar for each figure."""
    names = _PLOTTED[scenario]
    chart = HorizontalBar(
        js=[],
        style=_STYLE,
        width=900,
        height=120 + 28 * len(rows) * len(names),
        print_values=True,
        legend_at_bottom=True,
        show_legend=len(names) > 1,
        truncate_label=-1,
        no_prefix=True,
        disable_xml_declaration=True,
        value_formatter=lambda value: f"{value:,.4g}",
        x_label_rotation=0,
    )
    chart.title = _SECTIONS[scenario].partition(":")[0]
    shown = list(reversed(rows))  # the chart begins below
    chart.x_labels = [_label(row) for row in shown]
    for name in names:
        chart.add(f"{LABELS[name]} ({name.rpartition('_')[2]})", [row["figures"][name] for row in shown])
    rendered: str = chart.render(is_unicode=True)
    return rendered


def _label(row: dict[str, Any]) -> str:
    workers = f", {row['workers']} workers" if row["workers"] else ""
    return f"{row['variant']}, {row['engine']}{workers}"
