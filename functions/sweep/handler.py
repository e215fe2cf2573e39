"""The tick of every minute: wake what is due."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from usher import bootstrap

logger = Logger()
metrics = Metrics()


@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Send the wake-ups; a tick that fails is made good by the next one. Once a day, feeds are looked after."""
    if event.get("look_after") == "feeds":
        feeds = bootstrap.sweep().look_after_feeds()
        logger.info("woke the planner for feeds", feeds=feeds)
        metrics.add_metric(name="feeds_looked_after", unit=MetricUnit.Count, value=feeds)
        return {"feeds": feeds}
    swept = bootstrap.sweep()()
    counts = asdict(swept)
    logger.info("swept", counts=counts)
    # Alarms watch what waits for a person; zeros end them.
    for name, count in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    return counts
