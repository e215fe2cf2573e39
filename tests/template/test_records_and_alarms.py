"""Rules about the table, the logs, the alarms, and what another provider adds."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.template.rules import DEAD_LETTERS, FUNCTIONS, PROVIDERS, SOURCE_QUEUES, Resources, named, of_type
from usher.use_cases.sweep import Swept

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
