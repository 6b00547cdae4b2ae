"""Pictures in one style. `draw` of server.py installs matplotlib and runs a script that imports this."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

plt.rcParams |= {
    "font.size": 9,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "figure.titlesize": 12,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    # Text stays text, and equal data is an equal file.
    "svg.fonttype": "none",
    "svg.hashsalt": "floodwall",
}


def figure(rows, columns, **options):
    """Returns a figure and its axes."""
    return plt.subplots(rows, columns, layout="constrained", **options)


def patch(color, label):
    """Returns an area for a legend."""
    return Patch(color=color, label=label)


def line(color, label, style="solid"):
    """Returns a line for a legend."""
    return Line2D([], [], color=color, linestyle=style, label=label)


def save(figure, file):
    figure.savefig(file, metadata={"Date": None, "Creator": None})
