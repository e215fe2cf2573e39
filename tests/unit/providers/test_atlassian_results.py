"""A success of many people, roles and groups is read one by one; what cannot be told is ambiguous for that person."""

from typing import Any

import httpx
import pytest

from tests.unit.providers.atlassian_world import (
    ANN,
    ANN_ID,
    BOB,
    BOB_ID,
    CID,
    GRANT,
    GROUP,
    GROUP_ID,
    JIRA,
    USER,
    WIKI,
    an_ask,
    invited,
    person,
    results,
)
from usher.domain.outcomes import Accepted, Ambiguous, Part, PartlyAccepted, RefusedPerson
from usher.domain.policy import Access, Grant

ADMIN = Part("role", JIRA, "atlassian/admin")
TWO_ROLES = Grant(
    access=(Access(resource=JIRA, role="atlassian/user"), Access(resource=JIRA, role="atlassian/admin")), notify=False
)


def roles_of(*entries: Any) -> dict[str, Any]:
    return {"id": ANN_ID, "email": ANN, "results": [{"roleAssignmentResult": list(entries)}]}


def a_role(status: str, role: str = "ari:cloud:jira::role/product/member", resource: str = JIRA) -> dict[str, Any]:
    return {"resource": resource, "role": role, "status": status}


def test_a_person_with_every_part_is_accepted_with_the_account_and_the_mail() -> None:
    assert invited(results(person())) == [Accepted(ANN_ID, mailed=True)]


def test_a_silent_grant_mails_nobody_and_a_notification_without_text_leaves_it_open() -> None:
    silent = an_ask(grant=GRANT.model_copy(update={"notify": False, "message": None}))
    wordless = an_ask(grant=GRANT.model_copy(update={"message": None}))

    assert invited(results(person()), silent) == [Accepted(ANN_ID, mailed=False)]
    assert invited(results(person()), wordless) == [Accepted(ANN_ID, mailed=None)]


def test_people_are_found_by_address_whatever_the_order_and_the_case() -> None:
    answer = results(person(BOB.upper(), BOB_ID), person(" Ann@Example.COM", ANN_ID))

    assert invited(answer, an_ask(ANN), an_ask(BOB)) == [Accepted(ANN_ID, mailed=True), Accepted(BOB_ID, mailed=True)]


def test_one_refused_address_does_not_harm_its_neighbours() -> None:
    bad = person(BOB, BOB_ID, role="ERROR", group="ERROR", reason="blocked by policy")
    answer = results(person(ANN), bad, person(CID, None), status=206)

    assert invited(answer, an_ask(ANN), an_ask(BOB), an_ask(CID)) == [
        Accepted(ANN_ID, mailed=True),
        RefusedPerson("Atlassian refused every part of the access: blocked by policy"),
        Accepted(None, mailed=True),
    ]


@pytest.mark.parametrize(
    ("role", "group", "part"),
    [("ERROR", "INVITED", USER), ("INVITED", "ERROR", GROUP)],
)
def test_a_person_with_some_parts_is_accepted_with_the_others_open(role: str, group: str, part: Part) -> None:
    entry = person(role=role, group=group, reason="try ann@example.com later")

    (ending,) = invited(results(entry, status=206))

    assert ending == PartlyAccepted(
        ANN_ID, mailed=True, open=(part,), reason=f"Atlassian did not give {part}: try [address] later"
    )


def test_failures_are_seen_in_a_200_as_well() -> None:
    (ending,) = invited(results(person(group="ERROR")))

    assert isinstance(ending, PartlyAccepted)
    assert ending.open == (GROUP,)


def test_a_person_who_is_missing_from_the_results_is_ambiguous() -> None:
    answer = results(person(ANN), status=206)

    ann, bob = invited(answer, an_ask(ANN), an_ask(BOB))

    assert ann == Accepted(ANN_ID, mailed=True)
    assert bob == Ambiguous("Atlassian's answer does not name the person")


def test_somebody_nobody_asked_for_is_left_alone() -> None:
    assert invited(results(person(CID, role="ERROR"), person(ANN))) == [Accepted(ANN_ID, mailed=True)]


def test_a_person_named_twice_with_the_same_news_is_read_once() -> None:
    assert invited(results(person(), person())) == [Accepted(ANN_ID, mailed=True)]


def test_a_person_named_twice_with_parts_in_each_is_read_as_one() -> None:
    first, second = person(), person()
    first["results"][0].pop("groupAssignmentResult")
    second["results"][0].pop("roleAssignmentResult")

    assert invited(results(first, second)) == [Accepted(ANN_ID, mailed=True)]


def test_a_person_named_twice_with_different_news_is_ambiguous() -> None:
    assert [type(e) for e in invited(results(person(), person(role="ERROR"), status=206))] == [Ambiguous]
    assert [type(e) for e in invited(results(person(), person(ref=BOB_ID)))] == [Ambiguous]


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        [{}],
        [None],
        [{"roleAssignmentResult": [{}], "groupAssignmentResult": [{}]}],
        [{"roleAssignmentResult": [], "groupAssignmentResult": []}],
        [{"roleAssignmentResult": None, "groupAssignmentResult": 3}],
        "INVITED",
    ],
)
def test_results_that_say_nothing_are_ambiguous_for_that_person_alone(found: Any) -> None:
    silent = {"id": BOB_ID, "email": BOB, "results": found}

    ann, bob = invited(results(person(ANN), silent), an_ask(ANN), an_ask(BOB))

    assert ann == Accepted(ANN_ID, mailed=True)
    assert isinstance(bob, Ambiguous)


@pytest.mark.parametrize("status", ["PENDING", "", None, 1, "invited"])
def test_a_status_that_the_contract_does_not_know_is_ambiguous(status: Any) -> None:
    assert [type(ending) for ending in invited(results(person(group=status)))] == [Ambiguous]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200),
        httpx.Response(200, html="<h1>Welcome</h1>"),
        httpx.Response(206, content=b'{"data": [{"id": "1"'),
        httpx.Response(200, json=None),
        httpx.Response(200, json={"data": None}),
        httpx.Response(200, json={"data": {"email": ANN}}),
        httpx.Response(200, json={"data": [None, "x", {"email": 3}, {}]}),
        httpx.Response(200, json={"errors": [{"code": "ADMIN-UAM-400-1"}]}),
        httpx.Response(200, content=b"[" * 100_000),
    ],
)
def test_a_success_that_cannot_be_read_is_ambiguous_for_everybody(answer: httpx.Response) -> None:
    assert [type(ending) for ending in invited(answer, an_ask(ANN), an_ask(BOB))] == [Ambiguous, Ambiguous]


def test_groups_are_found_by_the_last_part_of_their_id() -> None:
    entry = person()
    entry["results"][0]["groupAssignmentResult"][0]["group"] = f"ari:cloud:identity::group/{GROUP_ID.upper()}"

    assert invited(results(entry)) == [Accepted(ANN_ID, mailed=True)]


def test_a_role_on_another_resource_says_nothing_about_ours() -> None:
    entry = person()
    entry["results"][0]["roleAssignmentResult"][0]["resource"] = WIKI

    (ending,) = invited(results(entry))

    assert ending == Ambiguous(f"Atlassian's answer does not say what became of {USER}")


def test_two_roles_on_one_resource_that_fared_alike_are_read_without_their_order() -> None:
    asked = an_ask(grant=TWO_ROLES)

    assert invited(results(roles_of(a_role("INVITED"), a_role("INVITED"))), asked) == [Accepted(ANN_ID, mailed=False)]
    assert [type(e) for e in invited(results(roles_of(a_role("ERROR"), a_role("ERROR"))), asked)] == [RefusedPerson]


def test_two_roles_on_one_resource_are_told_apart_where_their_names_come_back_as_sent() -> None:
    entry = roles_of(a_role("INVITED", "atlassian/admin"), a_role("ERROR", "atlassian/user"))

    (ending,) = invited(results(entry, status=206), an_ask(grant=TWO_ROLES))

    assert isinstance(ending, PartlyAccepted)
    assert ending.open == (USER,)


def test_two_roles_that_cannot_be_told_apart_both_stay_open() -> None:
    """
    Giving a role twice does no harm; trusting the order could leave the wrong one out for good.
    """
    entry = roles_of(a_role("INVITED"), a_role("ERROR", "ari:cloud:jira::role/product/admin"))

    (ending,) = invited(results(entry, status=206), an_ask(grant=TWO_ROLES))

    assert isinstance(ending, PartlyAccepted)
    assert ending.open == (USER, ADMIN)


def test_one_answer_for_two_roles_is_ambiguous() -> None:
    (ending,) = invited(results(roles_of(a_role("INVITED"))), an_ask(grant=TWO_ROLES))

    assert isinstance(ending, Ambiguous)


def test_a_grant_without_rules_and_groups_is_accepted_where_the_person_is_named() -> None:
    bare = an_ask(grant=Grant(notify=False))
    named = {"id": ANN_ID, "email": ANN}

    assert invited(results(named), bare) == [Accepted(ANN_ID, mailed=False)]
    assert invited(results(named | {"results": []}), bare) == [Accepted(ANN_ID, mailed=False)]


def test_a_grant_without_rules_and_groups_is_ambiguous_where_somebody_failed() -> None:
    bare = an_ask(grant=Grant(notify=False))

    assert [type(e) for e in invited(results({"id": ANN_ID, "email": ANN}, status=206), bare)] == [Ambiguous]
    assert [type(e) for e in invited(results(roles_of(a_role("ERROR"))), bare)] == [Ambiguous]


@pytest.mark.parametrize("ref", [None, "", "../../x", "a b", "x" * 129, 7])
def test_an_account_id_that_is_none_is_left_out(ref: Any) -> None:
    assert invited(results(person(ref=ref))) == [Accepted(None, mailed=True)]
