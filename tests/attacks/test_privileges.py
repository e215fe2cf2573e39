"""What an event may bring about: an invitation that the policy describes, to the address of the person, and no more."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.attacks.test_addresses import CONFUSABLES
from tests.attacks.test_text import INERT
from tests.fakes.provider import FakeProvider
from tests.redelivery.complete import WORKDAY
from tests.redelivery.conftest import Start
from tests.redelivery.feed import HOUR, Body, Feed
from tests.redelivery.feeds import every_source
from tests.redelivery.kit import NOON
from tests.unit.providers import atlassian_world, test_sentry
from tests.unit.use_cases.world import World, a_hire, a_policy
from usher.domain.hire import Change
from usher.domain.invitation import InvitationKey, State
from usher.domain.policy import Connection, Grant, Policy, Rule, Team, Want, When
from usher.ports import Ask, Call, Provider, SourceSettings, WebhookRequest
from usher.providers.atlassian import Atlassian
from usher.providers.sentry import Sentry
from usher.sources.workday import Workday

# --- X41: nothing of an event becomes a role, a group or a word of the invitation ---

SENTRY = test_sentry.a_connection()
ATLASSIAN = atlassian_world.a_connection()
GRANTS = {
    SENTRY.name: Grant(role="member", teams=(Team(name="platform", role="contributor"),)),
    ATLASSIAN.name: atlassian_world.GRANT,
}
POLICY = a_policy(FakeProvider()).model_copy(
    update={
        "connections": {SENTRY.name: SENTRY, ATLASSIAN.name: ATLASSIAN},
        "rules": tuple(
            Rule(name=name, when=When(everyone=True), connection=name, grant=grant) for name, grant in GRANTS.items()
        ),
    }
)
OF_PROVIDERS = {"email", "emails", "orgRole", "teamRoles", "role", "teamSlug", "resource", "permissionRules"} | {
    *("additionalGroups", "notificationText", "sendNotification", "sendInvite", "reinvite", "regenerate"),
}
HOSTILE_NAMES = (
    *OF_PROVIDERS,
    *("roles", "groups", "teams", "grant", "grants", "allow_privileged", "connection", "organization", "base_url"),
    *("rule", "policy", "mode", "message", "isAdmin", "admin", "scopes", "__class__", "__proto__"),
)
HOSTILE_VALUES = ("owner", "admin", "manager", "billing", "site-admins", "atlassian/admin", "ATLASSIAN", True, *INERT)

hostile_values = st.recursive(
    st.sampled_from(HOSTILE_VALUES) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(HOSTILE_NAMES), inner, max_size=3),
    max_leaves=6,
)
hostile_bodies = st.dictionaries(
    st.sampled_from([*HOSTILE_NAMES, *WORKDAY.settings["fields"].values()]), hostile_values, max_size=8
)


def strings_of(value: Any) -> Iterator[str]:
    """Give every text of a JSON, names of fields too."""
    if isinstance(value, dict):
        yield from (text for name, item in value.items() for text in (name, *strings_of(item)))
    elif isinstance(value, list):
        yield from (text for item in value for text in strings_of(item))
    elif isinstance(value, str):
        yield value


def payloads(want: Want) -> Iterator[tuple[Connection, httpx.Request]]:
    """Give what the real adapter would send."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(500)

    client = httpx.Client(transport=httpx.MockTransport(answer))
    connection = POLICY.connections[want.connection]
    provider: Provider = Sentry(client) if connection is SENTRY else Atlassian(client)
    key = InvitationKey("workday", "1", connection.name)
    provider.invite(Call(connection, "token", 13.0, NOON), [Ask(key, want.address, want.grant)])
    assert sent
    yield from ((connection, request) for request in sent)


@given(body=hostile_bodies)
@settings(max_examples=300)
def test_whatever_an_event_says_the_provider_reads_the_policys_words_and_one_address(body: Body) -> None:
    """Every text of every request is the policy's, the provider's own name of a field, or the address."""
    source = Workday().configured(SourceSettings("workday", **WORKDAY.settings))
    raw = json.dumps(WORKDAY.hired | body).encode()
    for notice in source.read(WebhookRequest("POST", "workday", {}, raw), NOON):
        decision = POLICY.decide(notice.hire, NOON) if notice.hire else ()
        for want in decision:
            if not isinstance(want, Want):
                continue
            allowed = OF_PROVIDERS | {want.address} | set(strings_of(GRANTS[want.connection].model_dump(mode="json")))
            for connection, request in payloads(want):
                assert set(strings_of(json.loads(request.content))) <= allowed
                assert str(request.url).startswith(f"{connection.base_url}/")


def with_everywhere(value: Any, extra: Body) -> Any:
    """Put fields into every object of a JSON."""
    if isinstance(value, dict):
        return extra | {name: with_everywhere(item, extra) for name, item in value.items()}
    return [with_everywhere(item, extra) for item in value] if isinstance(value, list) else value


@every_source
def test_no_source_and_no_hr_system_can_choose_a_grant(start: Start, feed: Feed) -> None:
    """Roles and groups in every object of the event and of the system's own answers."""
    extra = {name: ["owner"] for name in HOSTILE_NAMES}
    kit = start(feed)
    kit.tampers = lambda body: with_everywhere(body, extra)
    told = kit.feed.hired if feed.source in ("canonical", "cloudevents") else with_everywhere(feed.hired, extra)
    kit.deliver(told)
    kit.complete()
    kit.wait(2 * HOUR)
    kit.check_one_invitation_each()
    assert [row.sent_grant for row in kit.rows] == [Grant(role="member")] * 2


# --- X42: no text chooses a rule but the one that the rule names ---


@given(
    st.text(max_size=20)
    | st.builds(str.replace, st.just("IT admins"), st.sampled_from("ITadmins "), st.sampled_from(CONFUSABLES))
    | st.sampled_from(
        ["it admins", "IT  admins", "IT\u00a0admins", "IT admins!", "IT-admins", "ITadmins", "IT admins "]
    )
)
def test_a_look_alike_of_a_department_chooses_nothing(text: str) -> None:
    """Only the very same text, white space around it aside."""
    world = World()
    assert world.policy is not None
    connection = world.policy.connections["main"]
    rule = Rule(name="admins", when=When(department=("IT admins",)), connection="main", grant=Grant(role="member"))
    policy = Policy(**dict(world.policy) | {"rules": (rule,), "connections": {"main": connection}})
    try:
        hire = a_hire(department=text)
    except ValueError:
        return
    assert (policy.decide(hire, NOON) != ()) == (text.strip() == "IT admins")


# --- X45, X46: nobody reaches what is not theirs ---


class TwoOrganizations(FakeProvider):
    """Remembers with which secret it was asked about which organization."""

    seen: set[tuple[str, str, str]]

    def _note(self, kind: str, call: Call, asks: Any) -> None:
        super()._note(kind, call, asks)
        self.seen = {*getattr(self, "seen", ()), (call.connection.name, call.connection.organization, call.secret)}


def test_each_connection_is_asked_with_its_own_secret_alone() -> None:
    """Whoever is invited where."""
    provider = TwoOrganizations()
    base = a_policy(provider)
    labs = base.connections["labs"].model_copy(update={"mode": base.connections["main"].mode})
    world = World(provider=provider, policy=base.model_copy(update={"connections": {**base.connections, "labs": labs}}))
    world.secrets.values |= {"sentry/main": "secret-of-main", "sentry/labs": "secret-of-labs"}
    for number in range(6):
        world.says(a_hire(f"E-{number}", department=("Engineering", "Research")[number % 2]))
    world.until_quiet(rounds=10)
    assert len(provider.mails) == 6
    assert provider.seen == {("main", "acme", "secret-of-main"), ("labs", "acme-labs", "secret-of-labs")}


CRAFTED = ("x#ATLASSIAN#y", "a/b", "../1", "a b", "", " ", "x" * 65, "\u00e9", "1\n2", "%2f..", "1?x=1", "\u2025")


def renamed(value: Any, before: str, after: str) -> Any:
    """Give an id another value wherever it stands."""
    if isinstance(value, dict):
        return {name: renamed(item, before, after) for name, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, before, after) for item in value]
    return after if str(value) == before else value


@every_source
def test_an_id_that_could_name_something_else_is_parked_or_refused(start: Start, feed: Feed) -> None:
    """In no key, and in no address that is asked."""
    kit = start(feed)
    for crafted in CRAFTED:
        body = renamed(feed.hired, feed.hire_id, crafted)
        assert body != feed.hired
        assert kit.send(kit.event(body)) in (200, 202, 204, 422)
        kit.work()
    assert kit.asked == []
    assert kit.rows == []
    kit.deliver(feed.hired)
    kit.complete()
    kit.wait(2 * HOUR)
    kit.check_one_invitation_each()


@given(
    source=st.text(max_size=8), hire_id=st.text(max_size=8), connection=st.text(max_size=8), number=st.integers(1, 9)
)
def test_two_invitations_never_share_a_key(source: str, hire_id: str, connection: str, number: int) -> None:
    """What is written reads back as the same parts, or is refused."""
    key = InvitationKey(source, hire_id, connection, number)
    try:
        read = InvitationKey.parse(str(key))
    except ValueError:
        return
    assert read == key


# --- X48, X49: neither a redrive nor a flood of cancels does anything to anybody ---


@every_source
def test_messages_that_are_redriven_after_days_mail_nobody_again(start: Start, feed: Feed) -> None:
    """Every message of every queue, twice, in the opposite order; the row decides."""
    kit = start(feed)
    kit.deliver(feed.hired, *feed.others)
    kit.complete()
    kit.wait(2 * HOUR)
    kit.wait(144 * HOUR)
    for function, bodies in [*reversed(kit.handled), *kit.handled]:
        kit.handle(function, bodies)
        kit.work()
    kit.wait(2 * HOUR)
    kit.check_one_invitation_each()


def test_a_flood_of_cancels_takes_nobodys_access() -> None:
    """The provider is told nothing; every row asks for a person."""
    world = World()
    names = [f"E-{number}" for number in range(60)]
    for name in names:
        world.says(a_hire(name))
    world.until_quiet(rounds=10)
    assert len(world.provider.mails) == len(names)
    requests = len(world.provider.requests)
    for name in names:
        world.says(a_hire(name, version=2, change=Change.CANCELLED))
    world.until_quiet(rounds=10)
    assert len(world.provider.requests) == requests
    assert {(world.row(name).state, world.row(name).revoke_needed) for name in names} == {(State.INVITED, True)}
    assert len(world.provider.people) == len(names)


@pytest.mark.parametrize("name", sorted(HOSTILE_NAMES))
def test_an_event_of_our_own_has_no_room_for_a_grant(name: str) -> None:
    """Whatever is added to it is refused, so that no sender believes that it counts."""
    extra: Body = {name: "owner"}
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        a_hire(**extra)
