"""What the template says, in words that tests can ask for."""

from collections.abc import Iterator
from typing import Any

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
