"""Rules about the door and the functions behind it."""

import json
from typing import Any

import pytest

from tests.template.rules import FUNCTIONS, PROVIDERS, Resources, as_list, named, of_type

# --- the door ---


def test_the_api_has_one_path_and_three_verbs(resources: Resources) -> None:
    ((_, api),) = of_type(resources, "AWS::ApiGateway::RestApi")
    paths = {path: set(verbs) for path, verbs in api["Body"]["paths"].items()}
    assert paths == {"/hr/{source}": {"get", "post", "options"}}


def test_bodies_reach_the_webhook_as_the_bytes_that_were_signed(resources: Resources) -> None:
    ((_, api),) = of_type(resources, "AWS::ApiGateway::RestApi")
    assert api["BinaryMediaTypes"] == ["*~1*"]


def test_the_api_is_throttled_logged_and_never_logs_a_body(resources: Resources) -> None:
    ((_, stage),) = of_type(resources, "AWS::ApiGateway::Stage")
    (settings,) = stage["MethodSettings"]
    assert (settings["ResourcePath"], settings["HttpMethod"]) == ("/*", "*")
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (20, 40)
    assert settings["DataTraceEnabled"] is False
    assert named(stage["AccessLogSetting"]["DestinationArn"]) == "ApiLogs.Arn"
    assert "requestId" in json.loads(stage["AccessLogSetting"]["Format"])
    assert stage["TracingEnabled"] is True


def test_the_access_log_holds_nothing_that_a_caller_made_up(resources: Resources) -> None:
    """
    A path may carry anything: the log names the resource, and the kind of an error instead of its text.
    """
    ((_, stage),) = of_type(resources, "AWS::ApiGateway::Stage")
    logged = json.loads(stage["AccessLogSetting"]["Format"])
    assert logged == {
        "requestId": "$context.requestId",
        "time": "$context.requestTimeEpoch",
        "sourceIp": "$context.identity.sourceIp",
        "method": "$context.httpMethod",
        "resource": "$context.resourcePath",
        "status": "$context.status",
        "length": "$context.responseLength",
        "latency": "$context.responseLatency",
        "error": "$context.error.responseType",
    }


def test_an_account_without_a_role_for_access_logs_gets_it_before_the_stage(template: dict[str, Any]) -> None:
    resources = template["translated"]["Resources"]
    assert resources["ApiLoggingAccount"]["Condition"] == "CreatesApiLogging"
    assert "ApiLoggingAccount" in as_list(resources["Api"]["DependsOn"])


# --- functions ---


def test_every_function_has_a_bound_on_how_often_it_runs_at_once(resources: Resources) -> None:
    reserved = {name: p["ReservedConcurrentExecutions"] for name, p in of_type(resources, "AWS::Lambda::Function")}
    assert set(reserved) == FUNCTIONS
    assert reserved["HrWebhook"] <= 20
    assert reserved["Sweep"] == 1


def test_every_function_knows_its_stack_and_no_secret(resources: Resources) -> None:
    common = {
        "USHER_STAGE",
        "USHER_TABLE",
        "USHER_SECRETS_PREFIX",
        "POWERTOOLS_METRICS_NAMESPACE",
        "POWERTOOLS_SERVICE_NAME",
    }
    further = {
        "HrWebhook": {"USHER_NOTICE_QUEUE_URL"},
        # A sender of invitations has no map of queues, which is how the layer knows that it must wake nobody.
        "PlanInvites": {"USHER_NOTICE_QUEUE_URL", "USHER_PROVIDER_QUEUES"},
        "SendInvitesAtlassian": {"USHER_PROVIDER"},
        "SendInvitesSentry": {"USHER_PROVIDER"},
        "Sweep": {"USHER_NOTICE_QUEUE_URL", "USHER_PROVIDER_QUEUES"},
    }
    for name, properties in of_type(resources, "AWS::Lambda::Function"):
        variables = properties["Environment"]["Variables"]
        assert set(variables) == common | further[name], name


@pytest.mark.parametrize("function", ["PlanInvites", "Sweep"])
def test_every_provider_has_its_queue_in_the_map(resources: Resources, function: str) -> None:
    variables = resources[function]["Properties"]["Environment"]["Variables"]
    queues = json.loads(named(variables["USHER_PROVIDER_QUEUES"]))
    assert queues == {provider.lower(): f"${{{provider}Queue}}" for provider in PROVIDERS}


def test_every_function_runs_the_layer_and_is_traced(resources: Resources) -> None:
    ((layer, _),) = of_type(resources, "AWS::Lambda::LayerVersion")
    for name, properties in of_type(resources, "AWS::Lambda::Function"):
        assert properties["Runtime"] == "python3.13", name
        assert [named(item) for item in properties["Layers"]] == [layer], name
        assert properties["TracingConfig"] == {"Mode": "Active"}, name


def test_every_function_logs_into_a_group_of_its_own_that_forgets(resources: Resources) -> None:
    groups = dict(of_type(resources, "AWS::Logs::LogGroup"))
    assert set(groups) == {f"{function}Logs" for function in FUNCTIONS} | {"ApiLogs"}
    assert all(0 < group["RetentionInDays"] <= 90 for group in groups.values())
    for name, properties in of_type(resources, "AWS::Lambda::Function"):
        assert named(properties["LoggingConfig"]["LogGroup"]) == f"{name}Logs", name


def test_the_sweep_runs_each_minute_and_is_never_retried(resources: Resources) -> None:
    schedules = {found["ScheduleExpression"]: found for _, found in of_type(resources, "AWS::Scheduler::Schedule")}
    schedule = schedules.pop("rate(1 minute)")
    daily = schedules.pop("rate(1 day)")
    assert schedules == {}
    assert json.loads(daily["Target"]["Input"]) == {"look_after": "feeds"}
    assert "Input" not in schedule["Target"]
    assert schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 0
    ((_, invocation),) = of_type(resources, "AWS::Lambda::EventInvokeConfig")
    assert invocation["MaximumRetryAttempts"] == 0
    assert resources["Sweep"]["Properties"]["Timeout"] < 60
