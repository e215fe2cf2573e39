"""Which hire gets which grant, where and when: the policy as tables."""

from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from pydantic import ValidationError

from usher.domain.errors import Problem
from usher.domain.hire import NewHire
from usher.domain.policy import (
    Access,
    Company,
    Connection,
    Grant,
    Mode,
    Policy,
    Rule,
    SendTime,
    Team,
    Timings,
    Want,
    When,
    policy_errors,
)

NOW = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)


def a_connection(name: str, **changes: Any) -> Connection:
    """Make a connection that lists what the rules below name."""
    base: dict[str, Any] = {
        "name": name,
        "provider": "sentry",
        "organization": "acme",
        "base_url": "https://sentry.io",
        "roles": ("member",),
        "teams": ("platform",),
        "timings": Timings(settle=90, absent_reads=1),
    }
    return Connection(**base | changes)


def a_rule(name: str, when: When, connection: str = "main", **changes: Any) -> Rule:
    """Make a rule that gives membership."""
    base: dict[str, Any] = {"name": name, "when": when, "connection": connection, "grant": Grant(role="member")}
    return Rule(**base | changes)


def a_policy(*rules: Rule, **changes: Any) -> Policy:
    """Make a policy with two connections."""
    base: dict[str, Any] = {
        "version": 1,
        "company": Company(email_domains=("example.com", "example.org"), time_zone="Europe/Berlin", mode=Mode.LIVE),
        "connections": {"main": a_connection("main"), "labs": a_connection("labs")},
        "rules": rules,
    }
    return Policy(**base | changes)


def a_hire(**changes: Any) -> NewHire:
    """Make Ann the engineer."""
    base: dict[str, Any] = {
        "source": "bamboohr",
        "hire_id": "1042",
        "version": 1,
        "work_email": "ann@example.com",
        "start_date": date(2026, 10, 20),
        "department": "Engineering",
        "title": "Engineer",
        "location": "Lisbon",
        "employment_type": "Full-Time",
    }
    return NewHire(**base | changes)


def wants(policy: Policy, hire: NewHire) -> tuple[Want, ...]:
    """Decide, expecting no problem."""
    decision = policy.decide(hire, NOW)
    assert all(isinstance(item, Want) for item in decision), decision
    return decision  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("when", "matches"),
    [
        ({"everyone": True}, True),
        ({"department": ("Engineering",)}, True),
        ({"department": ("Sales", "Engineering")}, True),
        ({"department": ("engineering",)}, False),
        ({"department": ("Engineering ",)}, False),
        ({"department": ("IT",)}, False),
        ({"title": ("Engineer",), "location": ("Lisbon",)}, True),
        ({"title": ("Engineer",), "location": ("Berlin",)}, False),
        ({"employment_type": ("Full-Time",)}, True),
        ({"source": ("bamboohr",)}, True),
        ({"source": ("greenhouse",)}, False),
        ({"email_domain": ("example.com",)}, True),
        ({"email_domain": ("example.org",)}, False),
    ],
)
def test_a_rule_matches_where_every_named_field_holds_a_listed_value_exactly(
    when: dict[str, Any], matches: bool
) -> None:
    """No case folding, no trimming, no parts: a look-alike gets no access."""
    found = wants(a_policy(a_rule("r", When(**when))), a_hire())

    assert [want.explanation.rule for want in found] == (["r"] if matches else [])


def test_the_first_rule_that_matches_decides_for_its_connection() -> None:
    """One hire, one connection, one row; another connection is decided by itself."""
    policy = a_policy(
        a_rule("first", When(department=("Engineering",)), grant=Grant(role="member", teams=(Team(name="platform"),))),
        a_rule("second", When(everyone=True)),
        a_rule("labs", When(everyone=True), connection="labs"),
    )

    assert [(want.connection, want.explanation.rule) for want in wants(policy, a_hire())] == [
        ("main", "first"),
        ("labs", "labs"),
    ]
    assert [want.explanation.rule for want in wants(policy, a_hire(department="Sales"))] == ["second", "labs"]


def test_the_explanation_names_the_rule_and_the_fields_that_led_there() -> None:
    """So that anybody can ask why."""
    (want,) = wants(a_policy(a_rule("r", When(department=("Engineering",), source=("bamboohr",)))), a_hire())

    assert want.explanation.fields == {"department": "Engineering", "source": "bamboohr"}


@pytest.mark.parametrize(
    ("zone", "send", "expected"),
    [
        (None, SendTime(days_before=7), datetime(2026, 10, 13, 7, 0, tzinfo=UTC)),
        ("Europe/Lisbon", SendTime(days_before=7), datetime(2026, 10, 13, 8, 0, tzinfo=UTC)),
        ("America/New_York", SendTime(days_before=0, at=time(8, 30)), datetime(2026, 10, 20, 12, 30, tzinfo=UTC)),
        ("Asia/Tokyo", SendTime(days_before=-1), datetime(2026, 10, 21, 0, 0, tzinfo=UTC)),
        (None, None, NOW),
    ],
)
def test_the_send_time_is_an_offset_to_the_start_date_in_the_zone_of_the_hire(
    zone: str | None, send: SendTime | None, expected: datetime
) -> None:
    """The company's zone where the hire says none; at once where the rule says nothing."""
    policy = a_policy(a_rule("r", When(everyone=True), send=send))

    assert wants(policy, a_hire(time_zone=zone))[0].send_not_before == expected


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        (None, datetime(2026, 9, 22, 7, 0, tzinfo=UTC)),
        (SendTime(days_before=60), datetime(2026, 9, 22, 7, 0, tzinfo=UTC)),
        (SendTime(days_before=60, at=time(12, 0)), datetime(2026, 9, 22, 10, 0, tzinfo=UTC)),
        (SendTime(days_before=7), datetime(2026, 10, 13, 7, 0, tzinfo=UTC)),
    ],
)
def test_an_invitation_is_never_sent_so_early_that_it_lapses_before_the_first_day(
    send: SendTime | None, expected: datetime
) -> None:
    """Sentry's lives thirty days; two of them are to spare."""
    connection = a_connection("main", invitation_days=30)
    policy = a_policy(a_rule("r", When(everyone=True), send=send), connections={"main": connection})

    assert wants(policy, a_hire())[0].send_not_before == expected


def test_an_invitation_for_somebody_whose_first_day_is_not_known_goes_out_at_once() -> None:
    """Nothing says how early that is."""
    connection = a_connection("main", invitation_days=30)
    policy = a_policy(a_rule("r", When(everyone=True)), connections={"main": connection})

    assert wants(policy, a_hire(start_date=None))[0].send_not_before == NOW


def test_a_rule_with_a_send_time_needs_a_start_date() -> None:
    """It says which rule asks for it."""
    policy = a_policy(a_rule("r", When(everyone=True), send=SendTime(days_before=7)))

    assert policy.decide(a_hire(start_date=None), NOW) == (
        Problem("start_date", "rule 'r' needs it for its send time"),
    )


def test_a_tag_does_not_hide_a_shared_address() -> None:
    """Where tags are allowed at all."""
    company = Company(email_domains=("example.com",), time_zone="Europe/Berlin", allow_tags=True)
    policy = a_policy(a_rule("r", When(everyone=True)), company=company)

    assert policy.address_problems("ann+x@example.com") == ()
    assert "shared" in str(policy.address_problems("admin+x@example.com"))
    with pytest.raises(ValidationError):
        Company(email_domains=("example.com",), time_zone="Europe/Berlin", denied_local_parts=("Admin",))


def test_an_empty_list_of_domains_invites_nobody() -> None:
    """Fail closed."""
    company = Company(email_domains=(), time_zone="Europe/Berlin")
    policy = a_policy(a_rule("r", When(everyone=True)), company=company)

    assert all(isinstance(item, Problem) for item in policy.decide(a_hire(), NOW))


def test_a_connection_is_live_only_if_the_company_is_too() -> None:
    """Plan mode anywhere is plan mode."""
    planning = Company(email_domains=("example.com",), time_zone="Europe/Berlin")
    labs = a_connection("labs", mode=Mode.PLAN)
    policy = a_policy(connections={"main": a_connection("main"), "labs": labs})

    assert (policy.is_live("main"), policy.is_live("labs"), policy.is_live("nowhere")) == (True, False, False)
    assert not a_policy(company=planning).is_live("main")


@pytest.mark.parametrize(
    ("grant", "error"),
    [
        (Grant(role="owner"), "role 'owner' is not listed"),
        (Grant(teams=(Team(name="admins"),)), "team 'admins' is not listed"),
        (Grant(teams=(Team(name="platform", role="admin"),)), "team role 'admin' is not listed"),
        (Grant(groups=("g-9",)), "group 'g-9' is not listed"),
        (Grant(access=(Access(resource="ari:x", role="member"),)), "resource 'ari:x' is not listed"),
    ],
)
def test_a_rule_may_only_grant_what_its_connection_lists(grant: Grant, error: str) -> None:
    """The error names the rule and the field."""
    errors = policy_errors(a_policy(a_rule("r", When(everyone=True), grant=grant)))

    assert any(text.startswith("rule 'r': grant: ") and error in text for text in errors)


def test_names_that_do_not_exist_or_exist_twice_are_errors() -> None:
    """A typing error in a policy is found at load."""
    errors = policy_errors(
        a_policy(a_rule("r", When(everyone=True), connection="nowhere"), a_rule("r", When(everyone=True)))
    )

    assert any("there is no connection 'nowhere'" in text for text in errors)
    assert any("'r' is used twice" in text for text in errors)


def test_a_condition_that_says_nothing_is_refused() -> None:
    """A forgotten condition must not invite everybody."""
    with pytest.raises(ValidationError, match="says nothing"):
        When()
    with pytest.raises(ValidationError, match="one of the two"):
        When(everyone=True, department=("Engineering",))


def test_equal_grants_have_equal_digests_and_others_do_not() -> None:
    """Rows may share a request only if they ask for the very same."""
    assert Grant(role="member").digest == Grant(role="member").digest
    assert Grant(role="member").digest != Grant(role="member", notify=False).digest


def test_a_change_without_a_new_number_still_changes_the_stamp() -> None:
    """A forgotten rise is seen by the digest."""
    one, other = a_policy(a_rule("r", When(everyone=True))), a_policy(a_rule("s", When(everyone=True)))

    assert one.stamp.number == other.stamp.number
    assert one.stamp != other.stamp


def test_an_event_has_no_field_that_could_carry_a_grant() -> None:
    """Roles and groups come from the policy, never from an event."""
    for name in ("role", "orgRole", "groups", "teams", "permissionRules"):
        with pytest.raises(ValidationError):
            a_hire(**{name: "owner"})
