"""Draws the main panels of the dashboard, with the data that `prometheus.py --draw FILE` has queried.

    draw_dashboard.py FILE.svg < data.json
"""

import json
import sys

import plot

# Of Okabe and Ito: they differ for color-blind readers too.
CLASSES = {"message": "#0072b2", "login": "#009e73", "background login": "#e69f00", "health check": "#cc79a7"}
WALL, STORM = "#555555", "#f0f0f0"
REASONS = {"shed": "solid", "class_full": "dashed", "pool_full": "dotted"}
# The title of the panel, the label of the axis, the factor of its unit, and the top of the axis.
PANELS = [
    ("Utilization and pressure", "% of the capacity", 100, 105),
    ("Permits in use", "permits", 1, 72),
    ("Admitted", "requests per second", 1, None),
    ("Rejected", "requests per second", 1, None),
    ("Reject probability", "% of the requests", 100, 105),
    ("Peak of what the class can reach", "% of the reachable permits", 100, 105),
]


def main():
    data = json.load(sys.stdin)
    panels = {panel["title"]: panel["series"] for panel in data["panels"]}
    figure, grid = plot.figure(3, 2, figsize=(11, 8.5), sharex=True)
    figure.suptitle("Dashboard of floodwall-prometheus: a storm of logins at ten times the capacity")
    shown = set()
    for axes, (title, label, factor, top) in zip(grid.flat, PANELS):
        axes.set_title(title)
        axes.set_ylabel(label)
        axes.axvspan(*data["storm"], color=STORM, zorder=0)
        series = [one for one in panels[title] if any(value for _, value in one["values"])]
        shown |= {name_of(one) for one in series}
        if title == "Permits in use":
            stack(axes, [one for one in series if name_of(one) in CLASSES])
            series = [one for one in series if name_of(one) not in CLASSES]
            capacity = max(value for one in series for _, value in one["values"])
            above = {"xytext": (0, 3), "textcoords": "offset points"}
            axes.annotate("capacity", (sum(data["storm"]) / 2, capacity), ha="center", color=WALL, **above)
        for one in series:
            style = {"color": CLASSES.get(name_of(one), WALL), "linestyle": line_style(one)}
            axes.plot(*points(one, factor), linewidth=1.6, **style)
        axes.set_ylim(0, top)
    for axes in grid[-1]:
        axes.set_xlabel("seconds since the storm began")
    figure.align_ylabels(grid)
    lines = [plot.line(WALL, name.replace("_", " "), style) for name, style in REASONS.items()]
    grid[1][1].legend(handles=lines, title="reason", loc="upper left", frameon=False, fontsize=8)
    legend = [plot.patch(color, name) for name, color in CLASSES.items() if name in shown]
    legend += [plot.line(WALL, "the whole wall"), plot.patch(STORM, "storm")]
    figure.legend(handles=legend, loc="outside lower center", ncols=len(legend), frameon=False)
    plot.save(figure, sys.argv[1])


def points(series, factor=1):
    return [at for at, _ in series["values"]], [factor * value for _, value in series["values"]]


def stack(axes, series):
    times = points(series[0])[0]
    assert all(points(one)[0] == times for one in series), "the classes of one wall have the same scrapes"
    values = [points(one)[1] for one in series]
    axes.stackplot(times, values, colors=[CLASSES[name_of(one)] for one in series], alpha=0.85, linewidth=0)


def name_of(series):
    """Returns the class, or the legend of a series that has none."""
    return series["legend"].removeprefix("http: ").partition(", ")[0]


def line_style(series):
    if series["legend"].endswith(" capacity"):
        return "dashed"
    return REASONS.get(series["legend"].rpartition(", ")[2], "solid")


main()
