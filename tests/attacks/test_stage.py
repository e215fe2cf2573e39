"""What even a stage file cannot say, since it would lead a request or a header elsewhere."""

import pytest
from pydantic import ValidationError

from tests.unit.providers.test_sentry import a_connection


@pytest.mark.parametrize(
    "organization",
    [
        *("../../users", "acme/../users", "..", ".", "acme/members", "acme%2fmembers", "%2f", "acme?x=1", "acme#x", ""),
        *("acme\r\nX-Header: y", "acme\n", "\nacme", "acme\x00", "acme ", " acme", "acme\\", "acme@evil.io", "acme:1"),
        *("\u0430cme", "acme\u200b", "acme\u2028", "-acme", "_acme", "a" * 129),
    ],
    ids=ascii,
)
def test_no_organization_leads_elsewhere(organization: str) -> None:
    """A slug or an id: letters, digits, lines; nothing that ends a path, a host or a header."""
    with pytest.raises(ValidationError):
        a_connection(organization=organization)
    assert a_connection(organization="acme-Corp_1").organization == "acme-Corp_1"
