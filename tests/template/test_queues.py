"""Rules about the queues and what they feed."""

import re
from collections import defaultdict
from typing import Any

import pytest

from tests.template.rules import (
    DEAD_LETTERS,
    FOURTEEN_DAYS,
    MAY_RECEIVE,
    MAY_SEND,
    PROVIDERS,
    SENDERS,
    SOURCE_QUEUES,
    Resources,
    as_list,
    denied_but_to,
    named,
    of_type,
    queue_statements,
)


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
