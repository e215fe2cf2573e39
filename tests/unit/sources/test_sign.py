"""What the demo signs is what each vendor would have signed."""

from datetime import UTC, datetime

import pytest

from tests.contracts.hr_webhooks import NAMES, Example
from usher_local.sign import sign

SOURCES = {"standard-webhooks": "canonical"}
LEFT_OUT = {"kombo", "rippling", "successfactors"}
IN_THE_BODY = {"lever", "entra-graph"}
OF_OTHER_TIMES = {"finch-official", "standard-webhooks-official", "svix-official"}
HANDSHAKES = {"cloudevents-options", "entra-graph-validation", "gusto-verification", "okta-verification"}
OTHER_FORMS = {"hibob-ping", "cloudevents", "cloudevents-binary"}
UNSIGNED = LEFT_OUT | IN_THE_BODY | OF_OTHER_TIMES | HANDSHAKES | OTHER_FORMS

SIGNED_AT = datetime.fromtimestamp(1788868796, UTC)


@pytest.mark.parametrize("name", sorted(set(NAMES) - UNSIGNED))
def test_the_headers_are_those_of_the_contracts_examples(name: str) -> None:
    """To the letter; what the vendor sends besides decides nothing."""
    example = Example.load(name)
    theirs = {header: values[0] for header, values in example.request.headers.items()}
    source = SOURCES.get(example.raw["system"], example.raw["system"])
    delivery = next((value for header, value in theirs.items() if header.endswith("-id")), "")
    ours = sign(source, example.request.body, example.secret, SIGNED_AT, delivery)
    assert {header: value.rstrip("=") for header, value in ours.items()}.items() <= {
        header: value.rstrip("=") for header, value in theirs.items()
    }.items()


@pytest.mark.parametrize("source", ["lever", "entra-graph", "rippling"])
def test_a_source_that_is_not_known_or_signs_in_the_body_is_not_signed_for(source: str) -> None:
    """A misspelt name in a demo is a fault of the demo."""
    with pytest.raises(KeyError):
        sign(source, b"{}", "secret", SIGNED_AT, "1")
