"""
The rules of the template, checked on what CloudFormation gets.

Public rule sets know nothing of a queue's timing, of this system's rights or of its provider blocks; these tests do.
Skipped on purpose: a VPC (all egress is to public services), dead-letter queues on functions that a queue feeds (the
queue has one), customer keys on queues and logs (neither holds an address for long, or at all).
"""

import dataclasses
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from usher.aws.items import guard_key, hold_key
from usher.domain.invitation import GuardKey
from usher.use_cases.sweep import Swept

Resources = dict[str, dict[str, Any]]

FUNCTIONS = {"HrWebhook", "PlanInvites", "SendInvitesAtlassian", "SendInvitesSentry", "Sweep"}
PROVIDERS = ("Atlassian", "Sentry")
SOURCE_QUEUES = {"NoticeQueue", "IntakeQueue", "AtlassianQueue", "SentryQueue"}
DEAD_LETTERS = {name.removesuffix("Queue") + "DeadLetters" for name in SOURCE_QUEUES}
FOURTEEN_DAYS = 14 * 24 * 3600

KEEP_RECORDS = {
    "dynamodb:BatchGetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
}
USE_KEY = {
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
}
TAKE_MESSAGES = {
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
}
READ_SECRET = {"secretsmanager:GetSecretValue"}


def own_logs_and_traces(function: str) -> dict[str, set[str]]:
    return {
        f"{function}Logs.Arn": {"logs:CreateLogStream", "logs:PutLogEvents"},
        "*": {"xray:PutTelemetryRecords", "xray:PutTraceSegments"},
    }


def secrets_of(kind: str) -> str:
    return (
        "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"
        f"${{AWS::StackName}}/{kind}/*"
    )


# Everything that each role may do: a right that is not listed here is a right too many. Behind the table's name stand
# the partitions that a condition leaves of it.
RIGHTS: dict[str, dict[str, set[str]]] = {
    "HrWebhookRole": own_logs_and_traces("HrWebhook")
    | {
        "NoticeQueue.Arn": {"sqs:SendMessage"},
        secrets_of("sources"): READ_SECRET,
    },
    "PlanInvitesRole": own_logs_and_traces("PlanInvites")
    | {
        "NoticeQueue.Arn": TAKE_MESSAGES | {"sqs:SendMessage"},
        "IntakeQueue.Arn": TAKE_MESSAGES,
        "Table.Arn": KEEP_RECORDS,
        "Table.Arn GUARD#*": {"dynamodb:DeleteItem"},
        "${Table.Arn}/index/state": {"dynamodb:Query"},
        "TableKey.Arn": USE_KEY,
        secrets_of("hr-api"): READ_SECRET,
        "MailboxKey": READ_SECRET,
    },
    "SweepRole": own_logs_and_traces("Sweep")
    | {
        "${Table.Arn}/index/due": {"dynamodb:Query"},
        "${Table.Arn}/index/state": {"dynamodb:Query"},
        "TableKey.Arn": {"kms:Decrypt", "kms:DescribeKey"},
        "NoticeQueue.Arn": {"sqs:SendMessage"},
    },
    "SweepScheduleRole": {"Sweep.Arn": {"lambda:InvokeFunction"}},
} | {
    f"SendInvites{provider}Role": own_logs_and_traces(f"SendInvites{provider}")
    | {
        f"{provider}Queue.Arn": TAKE_MESSAGES,
        "Table.Arn": KEEP_RECORDS | {"dynamodb:PartiQLUpdate"},
        "Table.Arn CONN#* GUARD#*": {"dynamodb:DeleteItem"},
        "${Table.Arn}/index/due": {"dynamodb:Query"},
        "${Table.Arn}/index/state": {"dynamodb:Query"},
        "TableKey.Arn": USE_KEY,
        secrets_of(provider.lower()): READ_SECRET,
        "MailboxKey": READ_SECRET,
    }
    for provider in PROVIDERS
}

# Who may send where by a queue's own policy; everything else that a policy says is a refusal.
SENDERS: dict[str, set[str]] = {
    "AtlassianQueue": {"PlanInvitesRole.Arn", "SweepRole.Arn"},
    "SentryQueue": {"PlanInvitesRole.Arn", "SweepRole.Arn"},
    "IntakeQueue": {"IntakePrincipals", "events.amazonaws.com", "sns.amazonaws.com"},
}

# Whom the policy of a queue leaves the right to send or to receive; all others are denied it, whatever else allows it.
# The intake queue denies nobody to send: planning looks at the sender of every message.
MAY_SEND: dict[str, set[str]] = {
    "NoticeQueue": {"HrWebhookRole.Arn", "SweepRole.Arn", "PlanInvitesRole.Arn", "OperatorPrincipals"},
    "AtlassianQueue": {"PlanInvitesRole.Arn", "SweepRole.Arn", "OperatorPrincipals"},
    "SentryQueue": {"PlanInvitesRole.Arn", "SweepRole.Arn", "OperatorPrincipals"},
    "NoticeDeadLetters": set(),
    "IntakeDeadLetters": set(),
}
MAY_RECEIVE: dict[str, set[str]] = {
    "NoticeQueue": {"PlanInvitesRole.Arn", "OperatorPrincipals"},
    "IntakeQueue": {"PlanInvitesRole.Arn", "OperatorPrincipals"},
    "NoticeDeadLetters": {"OperatorPrincipals"},
    "IntakeDeadLetters": {"OperatorPrincipals"},
}


@pytest.fixture(scope="module")
def resources(template: dict[str, Any]) -> Resources:
    translated: Resources = template["translated"]["Resources"]
    return translated


@pytest.fixture(scope="module")
def mappings(resources: Resources) -> list[dict[str, Any]]:
    return [properties for _, properties in of_type(resources, "AWS::Lambda::EventSourceMapping")]


def of_type(resources: Resources, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in resources.items():
        if resource["Type"] == kind:
            yield name, resource.get("Properties", {})


def named(value: Any) -> str:
    """What a reference points to: `Table`, `Table.Arn`, or the pattern of a Sub."""
    match value:
        case {"Ref": name}:
            return str(name)
        case {"Fn::GetAtt": [name, attribute]}:
            return f"{name}.{attribute}"
        case {"Fn::Sub": str(pattern)}:
            return pattern
        case {"Fn::Sub": [str(pattern), _]}:
            return pattern
    return str(value)


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def role_statements(role: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for policy in role.get("Policies", []):
        yield from policy["PolicyDocument"]["Statement"]


def queue_statements(resources: Resources) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every queue's policy; of a conditional one, the branch that says something."""
    for _, properties in of_type(resources, "AWS::SQS::QueuePolicy"):
        for queue in properties["Queues"]:
            for statement in properties["PolicyDocument"]["Statement"]:
                yield named(queue), statement["Fn::If"][1] if "Fn::If" in statement else statement


def denied_but_to(resources: Resources, action: str) -> dict[str, set[str]]:
    """The queues that deny an action to everybody, each with the principals that its denial spares."""
    spared: dict[str, set[str]] = {}
    for queue, statement in queue_statements(resources):
        if statement["Effect"] == "Deny" and statement["Action"] == action:
            assert queue not in spared, queue
            assert statement["Principal"] == "*"
            assert named(statement["Resource"]) == f"{queue}.Arn"
            spared[queue] = set(spared_by(statement.get("Condition")))
    return spared


def spared_by(condition: dict[str, Any] | None) -> Iterator[str]:
    """
    The principals that a denial spares: none if it has no condition.

    Their list is joined and split again because a parameter of several ARNs cannot stand inside a list otherwise.
    """
    if condition is None:
        return
    assert set(condition) == {"StringNotEquals"}
    assert set(condition["StringNotEquals"]) == {"aws:PrincipalArn"}
    joined = condition["StringNotEquals"]["aws:PrincipalArn"]["Fn::Split"][1]["Fn::Join"][1]
    for item in as_list(joined):
        yield named(item["Fn::Join"][1]) if "Fn::Join" in item else named(item)


def scope(statement: dict[str, Any], resource: Any) -> str:
    """What a statement reaches: a resource, and behind it the partitions if it is limited to some."""
    condition = statement.get("Condition", {}).get("ForAllValues:StringLike", {})
    return " ".join([named(resource), *condition.get("dynamodb:LeadingKeys", [])])


# --- queues and what they feed ---


def test_a_message_stays_hidden_for_six_timeouts_and_the_batching_window(
    resources: Resources, mappings: list[dict[str, Any]]
) -> None:
    for mapping in mappings:
        queue = resources[named(mapping["EventSourceArn"]).removesuffix(".Arn")]["Properties"]
        function = resources[named(mapping["FunctionName"])]["Properties"]
        window = mapping.get("MaximumBatchingWindowInSeconds", 0)
        assert queue["VisibilityTimeout"] >= 6 * function["Timeout"] + window, mapping


def test_every_mapping_takes_partial_answers(mappings: list[dict[str, Any]]) -> None:
    assert {named(mapping["EventSourceArn"]) for mapping in mappings} == {f"{queue}.Arn" for queue in SOURCE_QUEUES}
    for mapping in mappings:
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"], mapping


def test_the_pollers_never_take_more_than_the_function_may_run(
    resources: Resources, mappings: list[dict[str, Any]]
) -> None:
    polled: dict[str, int] = defaultdict(int)
    for mapping in mappings:
        polled[named(mapping["FunctionName"])] += mapping["ScalingConfig"]["MaximumConcurrency"]
    for function, concurrency in polled.items():
        assert concurrency <= resources[function]["Properties"]["ReservedConcurrentExecutions"], function


def test_a_provider_gets_large_batches_with_a_short_window(mappings: list[dict[str, Any]]) -> None:
    for provider in PROVIDERS:
        (mapping,) = (m for m in mappings if named(m["EventSourceArn"]) == f"{provider}Queue.Arn")
        assert mapping["BatchSize"] == 100
        assert 1 <= mapping["MaximumBatchingWindowInSeconds"] <= 5


def test_every_source_queue_gives_up_after_five_tries_into_its_own_dead_letters(resources: Resources) -> None:
    queues = dict(of_type(resources, "AWS::SQS::Queue"))
    assert set(queues) == SOURCE_QUEUES | DEAD_LETTERS
    for name in SOURCE_QUEUES:
        redrive = queues[name]["RedrivePolicy"]
        assert named(redrive["deadLetterTargetArn"]) == name.removesuffix("Queue") + "DeadLetters.Arn"
        assert redrive["maxReceiveCount"] >= 5


def test_dead_letters_are_kept_fourteen_days_and_longer_than_their_source(resources: Resources) -> None:
    queues = dict(of_type(resources, "AWS::SQS::Queue"))
    for name in DEAD_LETTERS:
        assert queues[name]["MessageRetentionPeriod"] == FOURTEEN_DAYS
    for name in SOURCE_QUEUES:
        assert queues[name]["MessageRetentionPeriod"] < FOURTEEN_DAYS


def test_every_queue_is_encrypted_and_refuses_connections_without_tls(resources: Resources) -> None:
    refusing = {
        queue
        for queue, statement in queue_statements(resources)
        if statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Action"] == "sqs:*"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        and named(statement["Resource"]) == f"{queue}.Arn"
    }
    assert refusing == SOURCE_QUEUES | DEAD_LETTERS
    for name, properties in of_type(resources, "AWS::SQS::Queue"):
        assert properties["SqsManagedSseEnabled"] is True, name


def test_only_planning_the_sweep_and_named_senders_are_let_in_by_queue_policies(resources: Resources) -> None:
    let_in: dict[str, set[str]] = defaultdict(set)
    for queue, statement in queue_statements(resources):
        if statement["Effect"] == "Allow":
            assert set(as_list(statement["Action"])) <= {"sqs:SendMessage", "sqs:GetQueueUrl"}
            assert named(statement["Resource"]) == f"{queue}.Arn"
            for principals in statement["Principal"].values():
                let_in[queue] |= {named(principal) for principal in as_list(principals)}
    assert let_in == SENDERS


def test_nobody_else_may_put_a_verified_notice_wake_a_provider_or_forge_a_dead_letter(resources: Resources) -> None:
    assert denied_but_to(resources, "sqs:SendMessage") == MAY_SEND


def test_messages_about_people_are_read_by_planning_and_operators_only(resources: Resources) -> None:
    assert denied_but_to(resources, "sqs:ReceiveMessage") == MAY_RECEIVE


def test_a_service_may_deliver_events_of_listed_topics_and_rules_only(resources: Resources) -> None:
    (statement,) = (s for _, s in queue_statements(resources) if "Service" in s.get("Principal", ""))
    assert set(statement["Principal"]) == {"Service"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": {"Ref": "IntakeSourceArns"}},
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
    }


def test_without_listed_senders_the_intake_lets_nobody_in(resources: Resources, template: dict[str, Any]) -> None:
    written = template["written"]
    statements = resources["IntakeQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    conditional = {s["Fn::If"][0]: s["Fn::If"] for s in statements if "Fn::If" in s}
    allowed = [s for s in statements if s.get("Effect") == "Allow"]
    assert allowed == []
    assert set(conditional) == {"HasIntakePrincipals", "HasIntakeSourceArns"}
    for name, (_, _, otherwise) in conditional.items():
        parameter = name.removeprefix("Has")
        assert otherwise == {"Ref": "AWS::NoValue"}
        assert written["Parameters"][parameter]["Default"] == ""
        assert written["Conditions"][name] == {
            "Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": parameter}]}, ""]}]
        }


@pytest.mark.parametrize(
    ("parameter", "fits"),
    [
        ("IntakePrincipals", "arn:aws:iam::111122223333:role/payroll/sender"),
        ("IntakePrincipals", "arn:aws-us-gov:iam::111122223333:root"),
        ("IntakePrincipals", "arn:aws:sts::111122223333:assumed-role/sender/session"),
        ("IntakePrincipals", ""),
        ("IntakeSourceArns", "arn:aws:sns:eu-west-1:111122223333:hires.fifo"),
        ("IntakeSourceArns", "arn:aws:events:eu-west-1:111122223333:rule/hr-bus/hires"),
        ("IntakeSourceArns", ""),
    ],
)
def test_the_intake_takes_names_of_senders(template: dict[str, Any], parameter: str, fits: str) -> None:
    assert re.fullmatch(template["written"]["Parameters"][parameter]["AllowedPattern"], fits)


@pytest.mark.parametrize(
    ("parameter", "refused"),
    [
        ("IntakePrincipals", "*"),
        ("IntakePrincipals", "arn:aws:iam::*:root"),
        ("IntakePrincipals", "arn:aws:iam::111122223333:role/*"),
        ("IntakePrincipals", "111122223333"),
        ("IntakeSourceArns", "*"),
        ("IntakeSourceArns", "arn:aws:sns:eu-west-1:111122223333:*"),
        ("IntakeSourceArns", "arn:aws:sns:eu-west-1:111122223333:hire?"),
        ("IntakeSourceArns", "arn:aws:sns:*:111122223333:hires"),
        ("IntakeSourceArns", "arn:aws:s3:::bucket"),
    ],
)
def test_the_intake_takes_no_pattern_for_a_sender(template: dict[str, Any], parameter: str, refused: str) -> None:
    assert not re.fullmatch(template["written"]["Parameters"][parameter]["AllowedPattern"], refused)


# --- rights ---


def test_every_role_has_exactly_the_rights_listed_here(resources: Resources) -> None:
    found: dict[str, dict[str, set[str]]] = {}
    for name, role in of_type(resources, "AWS::IAM::Role"):
        if name == "ApiLoggingRole":  # API Gateway's own, of AWS's own making.
            continue
        rights: dict[str, set[str]] = defaultdict(set)
        for statement in role_statements(role):
            assert statement["Effect"] == "Allow"
            for resource in as_list(statement["Resource"]):
                rights[scope(statement, resource)] |= set(as_list(statement["Action"]))
        found[name] = dict(rights)
    assert found == RIGHTS


def test_what_may_be_deleted_is_what_the_layer_deletes() -> None:
    """
    Guards and holds come and go; rows, hires, notices and audit entries stay until they expire.
    """
    guard, _ = guard_key(GuardKey("sentry-main", "0" * 64))
    hold, _ = hold_key("sentry-main", None)
    guards, holds = f"{guard.split('#')[0]}#*", f"{hold.split('#')[0]}#*"
    found = {
        (role, reach)
        for role, rights in RIGHTS.items()
        for reach, actions in rights.items()
        if "dynamodb:DeleteItem" in actions
    }
    assert found == {("PlanInvitesRole", f"Table.Arn {guards}")} | {
        (f"SendInvites{provider}Role", f"Table.Arn {holds} {guards}") for provider in PROVIDERS
    }


def test_a_sender_of_invitations_may_neither_wake_itself_nor_see_another_providers_secrets() -> None:
    for provider, other in (PROVIDERS, PROVIDERS[::-1]):
        rights = RIGHTS[f"SendInvites{provider}Role"]
        assert not any("sqs:SendMessage" in actions for actions in rights.values())
        assert not any(other.lower() in resource.lower() for resource in rights)


def test_no_role_scans_the_table_or_holds_an_action_with_a_wildcard(resources: Resources) -> None:
    for name, role in of_type(resources, "AWS::IAM::Role"):
        for statement in role_statements(role):
            actions = as_list(statement["Action"])
            assert not any("*" in action for action in actions), name
            assert "dynamodb:Scan" not in actions, name


def test_only_traces_are_allowed_on_every_resource(resources: Resources) -> None:
    for name, role in of_type(resources, "AWS::IAM::Role"):
        for statement in role_statements(role):
            if "*" in [named(resource) for resource in as_list(statement["Resource"])]:
                assert statement["Sid"] == "SendTraces", name
                assert all(action.startswith("xray:Put") for action in statement["Action"]), name


def test_the_key_of_the_table_is_used_through_the_table_only(resources: Resources) -> None:
    for name, role in of_type(resources, "AWS::IAM::Role"):
        for statement in role_statements(role):
            if named(statement["Resource"]) == "TableKey.Arn":
                assert named(statement["Condition"]["StringEquals"]["kms:ViaService"]) == (
                    "dynamodb.${AWS::Region}.amazonaws.com"
                ), name


def test_every_statement_says_what_it_is_for(resources: Resources) -> None:
    for name, role in of_type(resources, "AWS::IAM::Role"):
        for statement in role_statements(role):
            assert re.fullmatch(r"[A-Za-z]{8,}", statement["Sid"]), name
    for queue, statement in queue_statements(resources):
        assert re.fullmatch(r"[A-Za-z]{8,}", statement["Sid"]), queue


def test_no_function_gets_a_policy_of_sams_making(template: dict[str, Any]) -> None:
    """
    SAM's policy templates (`...CrudPolicy`) grant deletes and scans, and its default policy all log groups.
    """
    for name, resource in template["written"]["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            assert "Policies" not in resource["Properties"], name
            assert named(resource["Properties"]["Role"]) == f"{name}Role.Arn", name
    managed = [
        name
        for name, role in of_type(template["translated"]["Resources"], "AWS::IAM::Role")
        if role.get("ManagedPolicyArns")
    ]
    assert managed == ["ApiLoggingRole"]


def test_a_role_is_assumed_by_one_service(resources: Resources) -> None:
    services = {
        name: [statement["Principal"] for statement in role["AssumeRolePolicyDocument"]["Statement"]]
        for name, role in of_type(resources, "AWS::IAM::Role")
    }
    assert services.pop("ApiLoggingRole") == [{"Service": "apigateway.amazonaws.com"}]
    assert services.pop("SweepScheduleRole") == [{"Service": "scheduler.amazonaws.com"}]
    assert set(services) == {f"{function}Role" for function in FUNCTIONS}
    assert all(principals == [{"Service": "lambda.amazonaws.com"}] for principals in services.values())
    (trust,) = resources["SweepScheduleRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_only_this_stacks_api_may_invoke_the_webhook(resources: Resources) -> None:
    permissions = list(of_type(resources, "AWS::Lambda::Permission"))
    assert len(permissions) == 3
    for name, permission in permissions:
        assert named(permission["FunctionName"]) == "HrWebhook", name
        assert "${AWS::AccountId}:${__ApiId__}/" in named(permission["SourceArn"]), name


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


# --- records ---


def test_the_table_is_encrypted_with_our_key_recoverable_and_kept(resources: Resources) -> None:
    table = resources["Table"]
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    assert resources["TableKey"]["DeletionPolicy"] == "Retain"
    properties = table["Properties"]
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"]["SSEType"] == "KMS"
    assert named(properties["SSESpecification"]["KMSMasterKeyId"]) == "TableKey.Arn"
    assert "StreamSpecification" not in properties, "a copy of every row that nobody reads"
    assert resources["TableKey"]["Properties"]["EnableKeyRotation"] is True


def test_an_index_holds_keys_only_and_the_keys_that_the_layer_expects(resources: Resources) -> None:
    properties = resources["Table"]["Properties"]
    assert [key["AttributeName"] for key in properties["KeySchema"]] == ["pk", "sk"]
    indexes = {
        index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]]
        for index in properties["GlobalSecondaryIndexes"]
    }
    assert indexes == {"due": ["due_lane", "due_at"], "state": ["state_key", "start_date"]}
    assert all(i["Projection"] == {"ProjectionType": "KEYS_ONLY"} for i in properties["GlobalSecondaryIndexes"])


def test_expiry_has_an_attribute_of_its_own(resources: Resources) -> None:
    """
    Live and waiting rows must not expire, so the attribute is none of those that they carry.
    """
    properties = resources["Table"]["Properties"]
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert "expires_at" not in {attribute["AttributeName"] for attribute in properties["AttributeDefinitions"]}


def test_the_mailbox_key_is_generated_and_outlives_the_stack(resources: Resources) -> None:
    ((_, secret),) = of_type(resources, "AWS::SecretsManager::Secret")
    assert named(secret["Name"]) == "${AWS::StackName}/mailbox-key"
    assert secret["GenerateSecretString"]["PasswordLength"] >= 32
    assert resources["MailboxKey"]["DeletionPolicy"] == "Retain"


def test_what_can_lose_data_says_what_happens_to_it(resources: Resources) -> None:
    kinds = (
        "AWS::DynamoDB::Table",
        "AWS::KMS::Key",
        "AWS::Logs::LogGroup",
        "AWS::SQS::Queue",
        "AWS::SecretsManager::Secret",
    )
    for kind in kinds:
        for name, _ in of_type(resources, kind):
            assert resources[name]["DeletionPolicy"], name
            assert resources[name]["UpdateReplacePolicy"] == resources[name]["DeletionPolicy"], name


def test_two_stacks_can_live_in_one_account(resources: Resources) -> None:
    """
    A fixed name keeps a second stack out; the one name that is given begins with the stack's own.
    """
    names = ("AlarmName", "FunctionName", "LogGroupName", "Name", "QueueName", "RoleName", "TableName")
    given = {
        (name, key): named(resource["Properties"][key])
        for name, resource in resources.items()
        for key in names
        if key in resource.get("Properties", {})
        and resource["Type"]
        not in ("AWS::Lambda::EventInvokeConfig", "AWS::Lambda::EventSourceMapping", "AWS::Lambda::Permission")
    }
    assert given == {("MailboxKey", "Name"): "${AWS::StackName}/mailbox-key"}


# --- alarms ---


def alarmed(resources: Resources, metric: str) -> dict[str, dict[str, Any]]:
    """What an alarm on a metric watches: the resource that its one dimension names."""
    return {
        named(alarm["Dimensions"][0]["Value"]).removesuffix(".QueueName"): alarm
        for _, alarm in of_type(resources, "AWS::CloudWatch::Alarm")
        if alarm["MetricName"] == metric
    }


def test_the_first_dead_letter_of_every_queue_raises_an_alarm(resources: Resources) -> None:
    alarms = alarmed(resources, "ApproximateNumberOfMessagesVisible")
    assert set(alarms) == DEAD_LETTERS
    assert all((a["Threshold"], a["EvaluationPeriods"]) == (1, 1) for a in alarms.values())


def test_every_queue_that_backs_up_raises_an_alarm(resources: Resources) -> None:
    assert set(alarmed(resources, "ApproximateAgeOfOldestMessage")) == SOURCE_QUEUES


def test_every_function_that_fails_or_is_throttled_raises_an_alarm(resources: Resources) -> None:
    assert set(alarmed(resources, "Errors")) == FUNCTIONS
    assert set(alarmed(resources, "Throttles")) == FUNCTIONS


def test_a_sweep_that_does_not_run_raises_an_alarm(resources: Resources) -> None:
    (alarm,) = alarmed(resources, "Invocations").values()
    assert named(alarm["Dimensions"][0]["Value"]) == "Sweep"
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert alarm["TreatMissingData"] == "breaching"


@pytest.mark.parametrize(
    ("metric", "function"),
    [
        ("parked_rows", "sweep"),
        ("duplicate_rows", "sweep"),
        ("parked_notices", "sweep"),
        ("overdue_rows", "sweep"),
        ("overdue_notices", "sweep"),
        ("silent_feeds", "plan_invites"),
        ("feeds_not_listed", "plan_invites"),
        ("RefusedConnection", "send_invites"),
        ("RefusedGrant", "send_invites"),
    ],
)
def test_whatever_waits_for_a_person_raises_an_alarm_of_this_stack(
    resources: Resources, metric: str, function: str
) -> None:
    """And the function that it names counts it under that name."""
    (alarm,) = [a for _, a in of_type(resources, "AWS::CloudWatch::Alarm") if a["MetricName"] == metric]
    assert alarm["Namespace"] == {"Ref": "AWS::StackName"}
    assert alarm["Dimensions"] == [{"Name": "service", "Value": function}]
    counted = {field.name for field in dataclasses.fields(Swept)} | {"RefusedConnection", "RefusedGrant"}
    handler = Path(__file__).parents[2] / "functions" / function / "handler.py"
    counted |= set(re.findall(r'add_metric\(name="(\w+)"', handler.read_text()))
    assert metric in counted


def test_every_alarm_notifies_the_topic_if_there_is_one(resources: Resources) -> None:
    for name, alarm in of_type(resources, "AWS::CloudWatch::Alarm"):
        assert alarm["AlarmActions"]["Fn::If"][:2] == ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}]], name


# --- providers ---


def test_adding_a_provider_is_copying_one_block(template: dict[str, Any]) -> None:
    """
    The blocks differ in the provider's name and nowhere else.
    """
    first, second = (
        {name: resource for name, resource in template["written"]["Resources"].items() if provider in name}
        for provider in PROVIDERS
    )
    renamed = json.dumps(first).replace("Atlassian", "Sentry").replace("atlassian", "sentry")
    assert json.loads(renamed) == second


def test_nothing_outside_the_blocks_names_a_provider(template: dict[str, Any]) -> None:
    written = template["written"]
    rest = {
        name: resource
        for name, resource in written["Resources"].items()
        if not any(provider in name for provider in PROVIDERS)
    }
    queues = json.dumps(rest["PlanInvites"]["Properties"]["Environment"]["Variables"]["USHER_PROVIDER_QUEUES"])
    sections = [rest, written["Globals"], written["Parameters"], written["Conditions"]]
    elsewhere = json.dumps(sections).replace(queues, "").lower()
    assert not [provider for provider in PROVIDERS if provider.lower() in elsewhere]
