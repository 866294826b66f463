"""Writes the dashboards for Grafana as JSON: ``python deploy/monitoring/dashboards.py FOLDER``.

What is in `dashboards/` is what this writes; a test compares them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DashboardLinkType, DataSourceRef

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG: Final = "standings"

MATCHUPS: Final = 'route="/v1/pools/{pool}/matchups"'


def panel(title: str, description: str, unit: str, queries: str | Mapping[str, str]) -> timeseries.Panel:
    """Lay out one panel of a third of the width.

    Parameters
    ----------
    title, description : str
    unit : str
        As Grafana names it.
    queries : str or mapping
        PromQL, by the names of the lines; of one query alone they are named by its labels.
    """
    named = {"__auto": queries} if isinstance(queries, str) else queries
    made = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .unit(unit)
        .min(0)
        .datasource(SOURCE)
        .span(8)
        .height(8)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    for place, (legend, expression) in enumerate(named.items()):
        made.with_target(
            prometheus.Dataquery()
            .ref_id(chr(ord("A") + place))
            .expr(expression)
            .legend_format(legend)
            .range()
            .datasource(SOURCE)
        )
    return made


def quantile(share: float, histogram: str, by: str = "", where: str = "") -> str:
    """Estimate a quantile of a histogram over the last five minutes.

    Examples
    --------
    >>> quantile(0.5, "standings_fit_seconds")
    'histogram_quantile(0.5, sum by (le) (rate(standings_fit_seconds_bucket[5m])))'
    """
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket{where}[5m])))"


def board(name: str, title: str, description: str, panels: Sequence[timeseries.Panel]) -> dashboard.Dashboard:
    """Make a dashboard; its uid and its place in an address stay, whatever its title is."""
    made = (
        dashboard.Dashboard(title)
        .uid(name)
        .description(description)
        .tags([TAG])
        .timezone("browser")
        .time("now-3h", "now")
        .refresh("30s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .link(
            dashboard.DashboardLink("Standings")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .keep_time(True)
        )
    )
    for number, one in enumerate(panels, 1):
        made.with_panel(one.id(number))
    return made


def overview() -> dashboard.Dashboard:
    """What an operator looks at first."""
    freshness, batches = "standings_event_to_readable_seconds", "standings_batch_seconds"
    return board(
        "standings-overview",
        "Standings: overview",
        "Whether results become ratings, how soon, and what is in the way.",
        [
            panel(
                "Ready",
                "Processes of each part whose /readyz says yes; no line, no process.",
                "short",
                "sum by (part) (standings_ready)",
            ),
            panel(
                "Partitions by state",
                "What their owners say of them. Only stopped_by_operator_decision does not pass by itself.",
                "short",
                "sum by (state) (standings_partitions) > 0",
            ),
            panel(
                "Ingest by state",
                "What the processes of ingest say of themselves as a whole.",
                "short",
                "sum by (state) (standings_ingest_state) > 0",
            ),
            panel(
                "Lag",
                "Offsets of each partition that may be read and are not in Redis yet.",
                "short",
                "max by (partition) (standings:lag_records:max)",
            ),
            panel(
                "Freshness",
                "From the timestamp of a batch's first record until its ratings could be read.",
                "s",
                {
                    "median": quantile(0.5, freshness),
                    "p99": quantile(0.99, freshness),
                },
            ),
            panel(
                "Late batches, as a multiple of what may be late",
                "1 is the objective: 99 % of the batches within 5 s. An alert calls at 14.4 (1 h) and at 6 (6 h).",
                "none",
                {
                    "over 5 min": "standings:late_batches:ratio_rate5m / 0.01",
                    "over 1 h": "standings:late_batches:ratio_rate1h / 0.01",
                    "over 6 h": "standings:late_batches:ratio_rate6h / 0.01",
                    "over 3 d": "standings:late_batches:ratio_rate3d / 0.01",
                },
            ),
            panel(
                "Records",
                "Brought in each second, by what became of them: applied, duplicate, or the dead letter's reason.",
                "cps",
                "sum by (outcome) (standings:records:rate5m)",
            ),
            panel(
                "Dead letters",
                "Share of the records of the last 15 min that could not be used.",
                "percentunit",
                {
                    "share": "standings:dead_letters:ratio_rate15m",
                },
            ),
            panel(
                "Guard refusals",
                "Batches in 5 min that Redis kept out, since it stood elsewhere, or whose answer was lost, by kind.",
                "short",
                "sum by (kind) (increase(standings_guard_refusals_total[5m]))",
            ),
            panel(
                "Time of a batch",
                "99th percentile by step: prepare is decoding, rating and packing, apply is the answer of Redis.",
                "s",
                quantile(0.99, batches, "step"),
            ),
            panel(
                "Records in a batch",
                "Mean over 5 min. It grows where more comes in than one batch can take.",
                "short",
                {
                    "mean": "sum(rate(standings_batch_records_sum[5m])) / sum(rate(standings_batch_records_count[5m]))",
                },
            ),
            panel(
                "Open transactions",
                "How long one has held up each partition; 0 where none does.",
                "s",
                "max by (partition) (standings_transaction_seconds)",
            ),
            panel(
                "Rebuilds and rebalances",
                "In an hour: Kafka clients built anew since a part of them stood still; assignments of partitions.",
                "short",
                {
                    "rebuilds": "sum(increase(standings_client_rebuilds_total[1h]))",
                    "rebalances": "sum(increase(standings_rebalances_total[1h]))",
                },
            ),
            panel(
                "Retention of the topic",
                "How long the topic of matches keeps a record; +Inf, as it should be, draws no line.",
                "s",
                {
                    "retention": "min(standings_topic_retention_seconds > 0)",
                },
            ),
            panel(
                "The topic forgets",
                "1 where it drops records, after a time or past a size: what is dropped no rebuild brings back.",
                "short",
                {
                    "forgets": "max(standings_topic_forgets)",
                },
            ),
            panel(
                "Memory",
                "Resident memory of each process.",
                "bytes",
                "sum by (job, instance) (process_resident_memory_bytes and on (job, instance) standings_build_info)",
            ),
            panel(
                "Processor",
                "Cores that each process uses; one is the most that ingest can.",
                "short",
                "sum by (job, instance)"
                " (rate(process_cpu_seconds_total[5m]) and on (job, instance) standings_build_info)",
            ),
            panel(
                "Versions",
                "Processes by the version of the service that they run.",
                "short",
                "count by (version) (standings_build_info)",
            ),
        ],
    )


def api() -> dashboard.Dashboard:
    """What clients of the API meet."""
    requests, shown = "standings_request_seconds", '{route=~"/v1/.*"}'
    return board(
        "standings-api",
        "Standings: API",
        "How much is asked, how soon it is answered, and how often it is refused.",
        [
            panel(
                "Requests by route",
                "Answers each second. A stream counts when it begins.",
                "reqps",
                "sum by (route) (standings:requests:rate5m)",
            ),
            panel(
                "Requests by status",
                "Answers each second by HTTP status.",
                "reqps",
                "sum by (status) (standings:requests:rate5m)",
            ),
            panel(
                "Failed",
                "Share of the answers whose status is 500 or more; an alert calls at 1 %.",
                "percentunit",
                {
                    "share": "standings:request_errors:ratio_rate5m",
                },
            ),
            panel(
                "Median time by route",
                "Half of the answers took less; those that wait for a position on purpose included.",
                "s",
                quantile(0.5, requests, "route", shown),
            ),
            panel(
                "99th percentile by route",
                "One of a hundred answers took longer; those that wait for a position on purpose included.",
                "s",
                quantile(0.99, requests, "route", shown),
            ),
            panel(
                "Refused, by route",
                "Answers each second that find fault with the request (status 400 to 499).",
                "reqps",
                'sum by (route) (standings:requests:rate5m{status=~"4.."})',
            ),
        ],
    )


def matchups() -> dashboard.Dashboard:
    """What to play next, and the fits that it rests on."""
    return board(
        "standings-matchups",
        "Standings: matchups",
        "Suggestions of what to play next, and the fits of refit that some policies need.",
        [
            panel(
                "Suggestions",
                "Requests for matchups each second, by HTTP status.",
                "reqps",
                f"sum by (status) (standings:requests:rate5m{{{MATCHUPS}}})",
            ),
            panel(
                "Time of a suggestion",
                "From the request to the answer, leases taken and account kept.",
                "s",
                {
                    "median": quantile(0.5, "standings_request_seconds", where=f"{{{MATCHUPS}}}"),
                    "p99": quantile(0.99, "standings_request_seconds", where=f"{{{MATCHUPS}}}"),
                },
            ),
            panel(
                "Exposure",
                "How many times as often as the least suggested player the most suggested one was, in the worst pool.",
                "none",
                {
                    "ratio": "max(standings_exposure_ratio)",
                },
            ),
            panel(
                "Places",
                "0 where each player was shown as often first as last, 1 where always in one place; the worst pool.",
                "percentunit",
                {
                    "imbalance": "max(standings_position_imbalance)",
                },
            ),
            panel(
                "Oldest results without a fit",
                "How long the pool that waits longest has had results that are not in its fit.",
                "s",
                {
                    "behind": "max(standings_fit_behind_seconds)",
                },
            ),
            panel(
                "Fits",
                "Fits each minute, of all pools.",
                "cpm",
                {
                    "fits": "60 * sum(rate(standings_fit_seconds_count[5m]))",
                },
            ),
            panel(
                "Time of a fit",
                "Reading and writing included. A pool rests three times as long.",
                "s",
                {
                    "median": quantile(0.5, "standings_fit_seconds"),
                    "p99": quantile(0.99, "standings_fit_seconds"),
                },
            ),
        ],
    )


def main() -> None:
    """Write each dashboard to a file of its uid."""
    for one in (overview(), api(), matchups()):
        built = one.build()
        text = json.dumps(built, cls=JSONEncoder, indent=1, sort_keys=True)
        Path(sys.argv[1], f"{built.uid}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
