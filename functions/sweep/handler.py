"""The tick of every minute: wake what is due."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from usher import bootstrap

logger = Logger()
metrics = Metrics()


@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Send the wake-ups; a tick that fails is made good by the next one."""
    swept = bootstrap.sweep()()
    counts = {"rows": swept.rows, "notices": swept.notices, "hires": swept.hires}
    logger.info("swept", counts=counts)
    metrics.add_metric(name="Sweep", unit=MetricUnit.Count, value=1)
    return counts
