"""What the demo signs is what each vendor would have signed."""

from datetime import UTC, datetime

import pytest

from tests.contracts.hr_webhooks import Example
from usher_local.sign import sign

SIGNED_AT = datetime.fromtimestamp(1788868796, UTC)


@pytest.mark.parametrize(
    ("source", "name", "delivery"),
    [
        ("canonical", "standard-webhooks", "msg_example000000000000000001"),
        ("greenhouse", "greenhouse", "3ce5180d-9119-4ddc-9ef6-21edb6e70001"),
        ("bamboohr", "bamboohr", ""),
        ("bamboohr", "bamboohr-field-based", ""),
    ],
)
def test_the_headers_are_those_of_the_contracts_examples(source: str, name: str, delivery: str) -> None:
    """To the letter; what the vendor sends besides decides nothing."""
    example = Example.load(name)
    theirs = {header: values[0] for header, values in example.request.headers.items()}
    ours = sign(source, example.request.body, example.secret, SIGNED_AT, delivery)
    assert ours.items() <= theirs.items()
    assert theirs.keys() - ours.keys() <= {"user-agent", "company-domain"}


def test_a_source_that_is_not_known_is_not_signed_for() -> None:
    """A misspelt name in a demo is a fault of the demo."""
    with pytest.raises(KeyError):
        sign("workday", b"{}", "secret", SIGNED_AT, "1")
