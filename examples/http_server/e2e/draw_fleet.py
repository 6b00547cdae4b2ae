"""Draws the messages that a fleet answers in a storm, from what `fleet.py --draw FILE` has measured.

    draw_fleet.py FILE.svg < data.json
"""

import json
import sys

import plot

ANSWERED, OFFERED, MARK = "#0072b2", "#555555", "#d55e00"


def main():
    data = json.load(sys.stdin)
    figure, rows = plot.figure(len(data["runs"]), 1, figsize=(9, 5.5), sharex=True, sharey=True)
    figure.suptitle("Messages through the balancer: a storm of logins at ten times the capacity of three instances")
    for axes, run in zip(rows, data["runs"]):
        [storm] = [at for at, event in run["marks"] if event == "storm"]
        axes.set_title(run["title"])
        axes.set_ylabel("messages sent in one second")
        for stream in run["streams"]:
            start = stream["startedAt"] / 1000 - storm
            # The clients do not count what is answered after the last second.
            answered = stream["answeredBySecond"][: run["seconds"] - 1]
            seconds = range(len(answered))
            axes.hlines(data["offered"], start, start + len(answered), colors=OFFERED, linestyles="dashed", linewidth=1)
            axes.bar([start + second for second in seconds], answered, width=0.92, align="edge", color=ANSWERED)
        for number, (at, event) in enumerate(run["marks"]):
            axes.axvline(at - storm, color=MARK, linewidth=1)
            # At two heights, because one event may soon follow another.
            place = (at - storm, 1.02 + 0.07 * (number % 2))
            axes.annotate(event, place, xycoords=("data", "axes fraction"), color=MARK, fontsize=8)
    rows[-1].set_xlabel("seconds since the storm began")
    legend = [plot.patch(ANSWERED, "answered"), plot.line(OFFERED, "sent", "dashed")]
    figure.legend(handles=legend, loc="outside lower center", ncols=2, frameon=False)
    plot.save(figure, sys.argv[1])


main()
