"""Learning curves of several runs in one figure, with bands over their seeds."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from dlfun.experiment import format_metric
from dlfun.plots.compared import DASHES
from dlfun.plots.curves import epochs
from dlfun.plots.style import LABEL, PALETTE, figure, tidy
from dlfun.train.series import Series


def by_epoch(series: Sequence[Series], metric: str, split: str, maximize: bool) -> Figure:
    """A line for each series that has the metric: its mean over seeds, ± one standard deviation."""
    curves = [(one.label, one.curve(split, metric)) for one in series]
    curves = [(label, curve) for label, curve in curves if curve]
    best, curve = (max if maximize else min)(
        curves, key=lambda pair: list(pair[1].values())[-1].mean
    )
    last, value = list(curve.items())[-1]
    words = f"{format_metric(metric, value.mean)} {split} {metric.replace('_', ' ')}"
    counts = {len(one.runs) for one in series}
    seeds = f"{'up to ' if len(counts) > 1 else ''}{max(counts)} seeds"
    band = f"mean over {seeds}, bands ± 1 standard deviation" if max(counts) > 1 else ""
    among = f"{'highest' if maximize else 'lowest'} of {len(curves)} at the end"
    detail = "; ".join(part for part in (among if len(curves) > 1 else "", band) if part)
    drawn = figure(8.5, 5.4, f"{best}: {words} after {epochs(float(last))}", detail)
    axes = drawn.subplots()
    few = max(len(curve) for _, curve in curves) <= 30
    for number, (label, curve) in enumerate(curves):
        colour, dash = PALETTE[number % len(PALETTE)], DASHES[number // len(PALETTE) % len(DASHES)]
        across, means = list(curve), [point.mean for point in curve.values()]
        axes.plot(
            across,
            means,
            color=colour,
            linestyle=dash,
            marker="o" if few else None,
            markersize=4,
            linewidth=2,
            label=label,
        )
        if any(point.sd for point in curve.values()):
            low = [point.mean - (point.sd or 0.0) for point in curve.values()]
            high = [point.mean + (point.sd or 0.0) for point in curve.values()]
            axes.fill_between(across, low, high, color=colour, alpha=0.18, linewidth=0)
    if "accuracy" in metric:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if max(max(curve) for _, curve in curves) == 1:
        axes.set_xlim(0.5, 1.5)
    tidy(axes, "epoch", f"{split} {metric.replace('_', ' ')}", legend=False)
    longest = max(len(label) for label, _ in curves)
    columns = max(1, min(3, 90 // (longest + 8)))
    drawn.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=LABEL - 1)
    return drawn
