"""Figures of a sweep: each is drawn where it can be, and shows what the trials hold."""

import io
import math

import pytest
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.figure import Figure

from dlfun import experiment
from dlfun.errors import UserError
from dlfun.sweep.figures import draw
from dlfun.sweep.figures.scale import scale
from dlfun.sweep.space import grid, parse
from dlfun.sweep.table import Trial, rank

MLP = experiment.load("mnist_mlp").Config()
METRIC = "test/accuracy"
RATE, NAME = "optimizer.learning_rate", "optimizer.name"
OPTIMIZERS = f"{NAME}=sgd,momentum,nesterov,adagrad,rmsprop,adadelta,adam,adamw"


def accuracy(values, seed):
    """Best at a learning rate of 1e-3; the same for every optimizer."""
    return 0.98 - 0.02 * (math.log10(values.get(RATE, 1e-3)) + 3) ** 2 + 0.001 * seed


def trials(space, seeds=2, status=lambda values: "completed"):
    return [
        Trial(
            number,
            values,
            status(values),
            {s: {"seconds": 1.0, "metrics": {METRIC: accuracy(values, s)}} for s in range(seeds)},
        )
        for number, values in enumerate(grid(space))
    ]


def drawn(texts, maximize=True, **keywords) -> dict[str, Figure]:
    space = parse(texts, MLP)
    return dict(draw("mnist_mlp", space, trials(space, **keywords), METRIC, maximize))


def words(figure: Figure) -> list[str]:
    found = [text.get_text() for text in figure.findobj() if hasattr(text, "get_text")]
    return [text.strip() for text in found if text.strip()]


def test_two_dimensions_fill_every_figure():
    figures = drawn([OPTIMIZERS, f"{RATE}=log(1e-4,1e-2,3)"])
    names = [f"against_{NAME}", f"against_{RATE}", "sensitivity", "parallel_coordinates"]
    assert list(figures) == [*names, "importance"]
    for figure in figures.values():
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=40)
        assert file.getvalue().startswith(b"\x89PNG")


def test_titles_state_the_best():
    figure = drawn([f"{RATE}=1e-4,1e-3,1e-2"])[f"against_{RATE}"]
    # The mean of 0.98 and 0.981.
    assert "mnist_mlp: 98.05 % test accuracy with learning rate 0.001" in words(figure)


def test_sensitivity_tells_eight_optimizers_apart():
    figure = drawn([OPTIMIZERS, f"{RATE}=log(1e-4,1e-2,3)"])["sensitivity"]
    (axes,) = figure.axes
    assert len(axes.lines) == 8
    assert len({line.get_color() for line in axes.lines}) == 8
    assert len({line.get_marker() for line in axes.lines}) == 8
    assert axes.get_xscale() == "log"


def test_lines_show_means_and_bands_the_standard_deviation():
    (axes,) = drawn([f"{RATE}=1e-4,1e-3"])[f"against_{RATE}"].axes
    (line,), (band,) = axes.lines, axes.collections
    assert list(line.get_ydata()) == pytest.approx([0.9605, 0.9805])
    sd = math.sqrt(0.5) * 0.001  # Of two values 0.001 apart, with n - 1.
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.min() == pytest.approx(0.9605 - sd)
    assert heights.max() == pytest.approx(0.9805 + sd)


def test_the_best_of_the_other_settings_stands_for_each_value():
    texts = ["batch_size=32,64", f"{RATE}=1e-4,1e-3"]
    (axes,) = drawn(texts)["against_batch_size"].axes
    assert list(axes.lines[0].get_ydata()) == pytest.approx([0.9805, 0.9805])
    (axes,) = drawn(texts, maximize=False)["against_batch_size"].axes
    assert list(axes.lines[0].get_ydata()) == pytest.approx([0.9605, 0.9605])


def test_diverged_trials_are_marked_at_the_worst_edge():
    figures = drawn(
        ["optimizer.name=adam,sgd", f"{RATE}=1e-4,1e-3,1e-2"],
        status=lambda values: "diverged" if values[RATE] == 1e-2 else "completed",
    )
    for name in (f"against_{RATE}", f"against_{NAME}", "sensitivity", "parallel_coordinates"):
        assert "diverged" in words(figures[name])
    (axes,) = figures[f"against_{RATE}"].axes
    marks = next(drawn for drawn in axes.collections if drawn.get_label() == "diverged")
    across, up = marks.get_offsets()[0]
    low, high = axes.get_ylim()
    assert across == pytest.approx(1e-2)
    assert low <= up < low + 0.05 * (high - low)
    assert axes.get_xlim()[0] < across < axes.get_xlim()[1]
    assert "best at each value" in words(figures[f"against_{RATE}"])


@pytest.mark.parametrize("maximize", [True, False])
def test_what_diverged_lies_on_the_worse_side_of_all_that_did_not(maximize):
    diverged = {"status": lambda values: "diverged" if values[RATE] == 1e-2 else "completed"}
    figure = drawn([f"{RATE}=1e-3,1e-2"], maximize, **diverged)[f"against_{RATE}"]
    (axes,) = figure.axes
    mark = next(drawn for drawn in axes.collections if drawn.get_label() == "diverged")
    assert (mark.get_offsets()[0][1] < 0.9805) == maximize


@pytest.mark.parametrize("means", [(0.73, 0.47, 0.70, 0.70), (0.9, 0.9, 0.9, 0.1)])
@pytest.mark.parametrize("spread", [0.0, 0.2])
def test_bands_and_marks_lie_on_the_axis(means, spread):
    space = parse([f"{RATE}=1e-4,1e-3,1e-2,1e-1"], MLP)
    of_seeds = [{0: mean - spread, 1: mean + spread} for mean in means]
    results = [
        trial._replace(results={s: {"seconds": 1.0, "metrics": {METRIC: v}} for s, v in by.items()})
        for trial, by in zip(trials(space), of_seeds, strict=True)
    ]
    figure = dict(draw("mnist_mlp", space, results, METRIC, True))[f"against_{RATE}"]
    low, high = figure.axes[0].get_ylim()
    figure.savefig(io.BytesIO(), format="png", dpi=40)  # Marks far off leave no room for the axes.
    for line in figure.axes[0].lines:
        assert (low <= line.get_ydata()).all()
    for band in figure.axes[0].findobj(FillBetweenPolyCollection):
        across = band.get_paths()[0].vertices[:, 1]
        assert low <= across.min() < across.max() <= high


def test_hopeless_trials_do_not_flatten_the_rest():
    (axes,) = drawn([f"{RATE}=3e-4,5e-4,7e-4,1e-3,2e-3,1"])[f"against_{RATE}"].axes
    assert axes.get_ylim()[0] > 0.9
    assert "off the axis" in [drawn.get_label() for drawn in axes.collections]


def test_logarithmic_axes_have_ticks_at_decades():
    for values, expected in (
        ("log(1e-4,1e-1,2)", ["1e-4", "0.001", "0.01", "0.1"]),
        ("log(3e-4,5e-2,50)", ["0.001", "0.01"]),
        ("2e-3,4e-3,8e-3", ["0.002", "0.004", "0.008"]),
    ):
        (axes,) = drawn([f"{RATE}={values}"])[f"against_{RATE}"].axes
        assert [text.get_text() for text in axes.get_xticklabels()] == expected


def test_tuples_are_named_on_the_axis():
    (axes,) = drawn(["hidden=(64,),(256,128)"])["against_hidden"].axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["64", "256-128"]


def test_fields_that_are_not_swept_everywhere():
    texts = ["optimizer.name=sgd,momentum", "optimizer.momentum=0.5,0.9 if optimizer.name=momentum"]
    figures = drawn([*texts, f"{RATE}=log(1e-4,1e-2,5)"])
    detail = "10 trials, mean over 2 seeds each; the best over optimizer, learning rate"
    assert detail in words(figures["against_optimizer.momentum"])
    assert "not used" in words(figures["parallel_coordinates"])
    assert "importance" in figures


def test_sensitivity_needs_trials_that_sweep_both():
    numbers = "optimizer.momentum=0.5,0.9 if optimizer.name=momentum"
    assert "sensitivity" in drawn(["optimizer.name=sgd,momentum", numbers])
    rates = f"{RATE}=0.1,1 if optimizer.momentum=0.5"
    names = "dataset=a,b if optimizer.momentum=0.9"
    assert "sensitivity" not in drawn(["optimizer.momentum=0.5,0.9", rates, names])


def test_too_few_trials_have_no_importance_and_one_dimension_no_more_than_one_figure():
    assert "importance" not in drawn(["hidden=(1,),(2,)", "epochs=1,2"])
    assert list(drawn(["hidden=(1,),(2,)"])) == ["against_hidden"]


def test_trials_that_are_all_alike_are_drawn():
    assert "parallel_coordinates" in drawn(["hidden=(1,),(2,)", "epochs=int(1,6)"])


def test_nothing_is_drawn_of_nothing():
    assert drawn(["epochs=1,2"], status=lambda values: "running") == {}
    assert drawn(["hidden=(1,)"], seeds=1) == {}
    space = parse(["epochs=1,2"], MLP)
    with pytest.raises(UserError, match="did you mean 'test/accuracy'"):
        list(draw("mnist_mlp", space, trials(space), "test/acuracy", True))


@pytest.mark.parametrize(
    ("text", "spacing"),
    [
        (f"{RATE}=1e-3,1e-2", "log"),
        (f"{RATE}=1e-3,3e-3,1e-2", "log"),
        ("batch_size=16,32,64", "log"),
        ("batch_size=10,20,30", "linear"),
        ("epochs=int(1,9)", "linear"),
        ("optimizer.momentum=0,0.5,0.9", "linear"),
        ("optimizer.beta2=0.9,0.99,0.999", "even"),
        ("optimizer.l2=0,1e-5,1e-4", "even"),
        ("optimizer.l2=none,1e-5", "even"),
    ],
)
def test_axes_are_spaced_as_the_values_are(text, spacing):
    space = parse([text], MLP)
    axis = scale(space.dimensions[0], rank(trials(space), METRIC, True))
    assert axis.spacing == spacing


TOGETHER = f"{NAME},{RATE}=(sgd,0.1),(adam,1e-3)"


@pytest.mark.parametrize("seeds", [1, 10])
def test_fields_that_are_set_together_are_one_dimension(seeds):
    (name, figure), *others = drawn([TOGETHER], seeds=seeds).items()
    assert (name, others) == (f"against_{NAME},{RATE}", [])
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["sgd, 0.1", "adam, 0.001"]
    assert not any(line.get_linewidth() for line in axes.lines if len(line.get_xdata()) > 1)
    assert any("with optimizer adam, learning rate 0.001" in text for text in words(figure))
    assert not any("best over" in text for text in words(figure))
    space = parse([TOGETHER], MLP)
    turned = dict(draw("mnist_mlp", space, trials(space)[::-1], METRIC, True))
    (axes,) = turned[f"against_{NAME},{RATE}"].axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["sgd, 0.1", "adam, 0.001"]
    figures = drawn([TOGETHER, "batch_size=32,64,128"], seeds=seeds)
    assert f"against_{RATE}" not in figures
    assert "adam, 0.001  98.00 %" in words(drawn([TOGETHER, "epochs=1,2"], seeds=1)["sensitivity"])


def test_no_line_joins_the_ranges_of_several_conditions():
    ranges = [f"{RATE}=1e-2,1e-1 if {NAME}=sgd", f"{RATE}=1e-3,1e-2 if {NAME}=adam"]
    (axes,) = drawn([f"{NAME}=sgd,adam", *ranges])[f"against_{RATE}"].axes
    assert not any(line.get_linewidth() for line in axes.lines if len(line.get_xdata()) > 1)


def test_captions_name_a_spread_only_where_one_is_drawn():
    texts = [f"{NAME}=sgd,adam", f"{RATE}=1e-3,1e-2 if {NAME}=sgd", f"{RATE}=1e-3 if {NAME}=adam"]
    for seeds, expected in ((1, False), (2, True)):
        (axes,) = (figure := drawn(texts, seeds=seeds)["sensitivity"]).axes
        assert any("standard deviation" in text for text in words(figure)) == expected
        # A line has a band, a single number a bar.
        assert len(axes.findobj(FillBetweenPolyCollection)) == expected
        assert [bar.has_yerr for bar in axes.containers] == [expected]
    one = drawn([f"{NAME}=sgd,adam", f"{RATE}=1e-3 if {NAME}=sgd", f"{RATE}=1e-2 if {NAME}=adam"])
    assert "sensitivity" not in one


def test_many_categories_are_labelled_apart_and_the_best_of_them_have_lines():
    widths = ",".join(f"({width},)" for width in range(1, 51))
    figures = drawn([f"hidden={widths}", f"{RATE}=1e-3,1e-2"])
    (axes,) = figures["against_hidden"].axes
    assert 10 <= len(axes.get_xticklabels()) <= 16
    assert axes.get_xlim() == (-0.5, 49.5)
    assert len([t for t in words(figures["parallel_coordinates"]) if t.isdecimal()]) < 20
    (axes,) = figures["sensitivity"].axes
    assert len(axes.lines) == 8
    assert any("16 trials" in t and "the best 8 of 50" in t for t in words(figures["sensitivity"]))
