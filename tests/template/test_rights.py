"""Rules about who may do what."""

import re
from collections import defaultdict
from typing import Any

from tests.template.rules import (
    FUNCTIONS,
    PROVIDERS,
    RIGHTS,
    Resources,
    as_list,
    named,
    of_type,
    queue_statements,
    role_statements,
    scope,
)
from usher.aws.items import guard_key, hold_key
from usher.domain.invitation import GuardKey


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
