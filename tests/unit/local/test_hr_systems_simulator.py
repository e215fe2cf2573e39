"""The simulator of the HR systems, asked by Usher's own sources: it answers what the contract's answers say."""

from collections.abc import Iterator

import pytest

from tests.contracts.hr_systems import HrSystem
from tests.unit.local.hr_caller import ASKED, noor, seed, thin_notice, told_by, told_by_contract
from tests.unit.local.provider_client import Asked, asked
from usher.domain.errors import DetailsUnavailable
from usher.domain.hire import Change
from usher_local.simulators.hr_systems import HrSystems

WITHOUT_ADDRESS = ("lever",)
"""Knows an applicant, who has no address of the company's."""


@pytest.fixture
def hr() -> Iterator[Asked]:
    """All HR systems, each of which knows Noor."""
    with asked(HrSystems, seed(noor())) as caller:
        yield caller


@pytest.fixture(params=ASKED, ids=lambda system: system.title)
def system(request: pytest.FixtureRequest) -> HrSystem:
    """One of the systems that are asked for details."""
    found: HrSystem = request.param
    return found


def test_every_system_tells_what_the_answers_of_the_contract_tell(hr: Asked, system: HrSystem) -> None:
    """
    The same person comes out of both; those whose answers lack the address or a field have it here.
    """
    theirs = told_by_contract(system).model_dump(exclude={"version", "same_as"})
    ours = told_by(hr, system).model_dump(exclude={"version", "same_as"})

    assert {name: ours[name] for name, value in theirs.items() if value is not None} == {
        name: value for name, value in theirs.items() if value is not None
    }
    assert ours["work_email"] == (None if system.title in WITHOUT_ADDRESS else "noor.haddad@example.com")


def test_the_work_address_comes_after_so_many_answers(hr: Asked, system: HrSystem) -> None:
    """
    Each system counts for itself.
    """
    hr.switch(address_after=2)

    in_the_end = None if system.title in WITHOUT_ADDRESS else "noor.haddad@example.com"
    assert [told_by(hr, system).work_email for _ in range(3)] == [None, None, in_the_end]


def test_an_answer_may_still_say_what_was_before(hr: Asked, system: HrSystem) -> None:
    """
    For as long as the switch says; who was only just made is not there yet.
    """
    hr.switch(lag=20)
    with pytest.raises(DetailsUnavailable):
        told_by(hr, system)

    hr.later(seconds=20)
    hr.seed(seed(noor(family_name="Arbor")))
    assert told_by(hr, system).family_name in ("Haddad", "Noor Haddad")

    hr.later(seconds=20)
    assert told_by(hr, system).family_name in ("Arbor", "Noor Arbor")


def test_a_limit_says_for_how_long(hr: Asked, system: HrSystem) -> None:
    """
    To the end of the minute, and for this system alone; or it keeps that to itself.
    """
    hr.switch(rate_limit=0)
    hr.later(seconds=15)
    with pytest.raises(DetailsUnavailable, match="429") as limited:
        told_by(hr, system)
    assert limited.value.retry_after == 45

    hr.switch(retry_after=False)
    with pytest.raises(DetailsUnavailable, match="429") as limited:
        told_by(hr, system)
    assert limited.value.retry_after is None


def test_a_wrong_secret_is_refused(hr: Asked, system: HrSystem) -> None:
    """
    Also where everything else is right; a system that was never set up refuses everybody.
    """
    with pytest.raises(DetailsUnavailable, match="401"):
        told_by(hr, system, secret=f"wrong:{system.secret}")
    with asked(HrSystems, {"people": [noor()]}) as unset, pytest.raises(DetailsUnavailable, match="401"):
        told_by(unset, system)


def test_whoever_is_not_there_is_not_there(hr: Asked, system: HrSystem) -> None:
    """
    In the system's own words, of which the source makes the same.
    """
    notice = thin_notice(system)
    unknown = notice.model_copy(update={"subject": str(notice.subject)[:-1] + "9"})
    with pytest.raises(DetailsUnavailable, match=r"404|shows no such employee"):
        told_by(hr, system, notice=unknown)


def test_whoever_has_left_is_taken_back(hr: Asked, system: HrSystem) -> None:
    """
    Under the status that means it there; an applicant system says that nobody was hired.
    """
    hr.seed(seed(noor(status="left")))
    if system.title == "lever":
        with pytest.raises(DetailsUnavailable, match="does not say that the person was hired"):
            told_by(hr, system)
    else:
        assert told_by(hr, system).change is Change.CANCELLED


def test_faults_have_the_words_of_an_hr_system(hr: Asked, system: HrSystem) -> None:
    """
    Each for one request; then it answers again.
    """
    hr.fault(kind="rate_limit", seconds=30, match={"path": f"/{system.title}/*"})
    hr.fault(kind="wrong_token", match={"path": f"/{system.title}/*"})
    hr.fault(kind="status_before", status=503, match={"path": f"/{system.title}/*"})

    for status in ("429", "401", "503"):
        with pytest.raises(DetailsUnavailable, match=status):
            told_by(hr, system)
    assert told_by(hr, system).hire_id == thin_notice(system).subject
