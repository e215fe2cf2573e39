"""One parametric HMAC: it fits every signing system of the contract, and refuses everything else the same way."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.hr_webhooks import NAMES, Example
from usher.domain.errors import SecretUnavailable, Unauthentic
from usher.ports import WebhookRequest
from usher.sources.canonical import Canonical
from usher.sources.signatures import Encoding, Hmac, KeyForm

NOW = datetime(2026, 9, 8, 12, 0, tzinfo=UTC)
SECRET = "whsec_ZXhhbXBsZS1zdGFuZGFyZC13ZWJob29rcy1rZXktMDE="
SCHEME = Canonical.scheme


def signed(body: bytes = b"{}", *, at: datetime = NOW, **changes: tuple[str, ...]) -> WebhookRequest:
    """Make a request as a Standard Webhooks sender would; `changes` replace headers after it was signed."""
    headers = {"webhook-id": ("msg_1",), "webhook-timestamp": (str(int(at.timestamp())),)}
    request = WebhookRequest("POST", "canonical", headers, body)
    headers["webhook-signature"] = (SCHEME.sign(request, SECRET),)
    return replace(request, headers=headers | {name.replace("_", "-"): value for name, value in changes.items()})


def is_believed(request: WebhookRequest, *secrets: str, scheme: Hmac = SCHEME, now: datetime = NOW) -> bool:
    """Say whether a request is believed; any other ending is an error of the test."""
    try:
        scheme.verify(request, secrets or (SECRET,), now)
    except Unauthentic:
        return False
    return True


def test_a_signature_over_the_raw_bytes_is_believed() -> None:
    """And one over other bytes is not: a newline more, another spacing, another order."""
    assert is_believed(signed(b'{"a":1}'))
    for body in (b'{"a":1}\n', b'{"a": 1}', b"", b'{"a":1'):
        assert not is_believed(replace(signed(b'{"a":1}'), body=body))


def _scheme(example: Example) -> Hmac | None:
    """Make the parameters of an example's `scheme`; None for systems that sign no body."""
    said = example.scheme
    if said["strategy"] != "hmac" or "{raw_body}" not in said["signed"]:
        return None
    signed = said["signed"].replace("{raw_body}", "{body}").replace("{header:", "{").lower()
    return Hmac(
        header=said["header"].lower(),
        signed=signed.replace("post", "POST"),
        hash=said["hash"],
        key_form=KeyForm.TEXT if said["key"] == "utf8" else KeyForm.WHSEC,
        prefix=said["prefix"],
        encoding=Encoding(said["encoding"].split()[0]),
        many="multi" in said,
        timestamp_header=(said["timestamp_header"] or "").lower() or None,
        tolerance=timedelta(hours=3),
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_system_that_signs_its_body_is_a_set_of_parameters(name: str) -> None:
    """A new source of this kind needs no new code here."""
    example = Example.load(name)
    scheme = _scheme(example)
    if scheme is None:
        assert example.scheme["strategy"] != "hmac" or name in ("gusto-verification", "lever")
        return
    valid = bool(example.raw["signature_valid"])
    assert is_believed(example.request, example.secret, scheme=scheme, now=example.received_at) is valid
    assert not is_believed(example.flipped(0), example.secret, scheme=scheme, now=example.received_at)


@pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
def test_a_time_within_the_tolerance_is_believed(seconds: int) -> None:
    """Five minutes, both ways."""
    assert is_believed(signed(at=NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize("seconds", [-301, 301, 86_400, -86_400])
def test_a_time_beyond_it_is_not(seconds: int) -> None:
    """However well it is signed."""
    assert not is_believed(signed(at=NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "nan", "inf", "-inf", "1_788868800", "17888688_0", "+178886880", "-178886880", "1788868800.0"),
        *("1e9", "0x6a9f8b40", "10" * 16, "178886880", "17888688000", " 1788868800", "1788868800\n"),
        *(
            "\u0661\u0667\u0668\u0668\u0668\u0666\u0668\u0668\u0660\u0660",
            "2026-09-08T12:00:00Z",
            "1788868800,1788868800",
        ),
    ],
)
def test_a_time_is_ten_plain_digits(text: str) -> None:
    """Python's own reader takes underscores and the digits of every script; signed or not makes no difference."""
    headers = {"webhook-id": ("msg_1",), "webhook-timestamp": (text,)}
    request = WebhookRequest("POST", "canonical", headers, b"{}")
    try:
        signature = SCHEME.sign(request, SECRET)
    except Unauthentic:
        signature = "v1,AAAA"
    assert not is_believed(replace(request, headers=headers | {"webhook-signature": (signature,)}))


def test_a_header_that_comes_twice_is_no_header() -> None:
    """Which of the two would count is nobody's guess."""
    good = signed()
    for name in good.headers:
        assert not is_believed(replace(good, headers={**good.headers, name: good.headers[name] * 2}))
        assert not is_believed(replace(good, headers={k: v for k, v in good.headers.items() if k != name}))


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "v1", "v1,", ",", "v1,!!!!", "v1,AAAA", "v1,\u00e9\u00e9\u00e9\u00e9", "v1,%s\u00e9" % ("A" * 43)),
        *("v0,{}", "v1a,{}", "V1,{}", "sha1={}", "{}", "v1,{}A", "v1,{}\n", "v1,{},v1,{}", "v1 ,{}"),
        " ".join(["v1,AAAA"] * 10) + " v1,{}",
        " ".join(["v1,{}"] * 100_000),
    ],
)
def test_a_signature_header_that_is_malformed_or_of_another_version_is_refused(value: str) -> None:
    """As one refusal, whatever is wrong with it."""
    good = SCHEME.sign(signed(), SECRET).removeprefix("v1,")
    assert not is_believed(signed(webhook_signature=(value.replace("{}", good),)))


def test_any_signature_of_a_list_and_any_secret_may_match() -> None:
    """So a sender, and we, can exchange a secret without losing a request."""
    other = "whsec_" + base64.b64encode(b"another key of 24 bytes!").decode()
    good = SCHEME.sign(signed(), SECRET)
    assert is_believed(signed(webhook_signature=(f"v1a,zzzz v1,AAAA {good}",)))
    assert is_believed(signed(), other, SECRET)
    assert not is_believed(signed(), other)


def test_a_key_is_the_same_with_and_without_its_prefix_and_padding() -> None:
    """As the public libraries take it."""
    bare = SECRET.removeprefix("whsec_")
    for secret in (SECRET, bare, bare.rstrip("="), SECRET.rstrip("=")):
        assert is_believed(signed(), secret)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_!!!", "\u00e9"])
def test_a_secret_that_is_no_key_shuts_the_door_loudly(secret: str) -> None:
    """A door without a lock would let everybody in; the sender is asked to try again."""
    with pytest.raises(SecretUnavailable) as refused:
        SCHEME.verify(signed(), (secret,), NOW)
    assert secret not in str(refused.value)


def test_hex_is_taken_as_hex_and_nothing_else() -> None:
    """Python's own reader would skip white space."""
    scheme = Hmac(header="signature", prefix="sha256 ")
    request = WebhookRequest("POST", "greenhouse", {}, b"{}")
    good = scheme.sign(request, "secret")
    assert is_believed(replace(request, headers={"signature": (good,)}), "secret", scheme=scheme)
    for value in (
        good[:20] + " " + good[20:],
        good + " ",
        good[:-2],
        good[:-1] + "g",
        good.replace("sha256 ", "sha256="),
    ):
        assert not is_believed(replace(request, headers={"signature": (value,)}), "secret", scheme=scheme)


@given(
    st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text().map(lambda t: (t,))
    )
)
def test_no_header_raises_an_untyped_error(headers: dict[str, tuple[str, ...]]) -> None:
    """Forged headers are many things."""
    assert not is_believed(replace(signed(), headers={**signed().headers, "webhook-signature": ("v1,",), **headers}))
