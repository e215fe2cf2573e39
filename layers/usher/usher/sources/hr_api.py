"""One bounded GET to an HR system's API, and what each ending means for a thin notice."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from usher.domain.errors import BadEvent, DetailsUnavailable
from usher.domain.json_text import parse

LARGEST_ANSWER = 1024 * 1024
LONGEST_WAIT = 24 * 3600.0

_SECONDS = re.compile(r"[0-9]{1,6}")


def get(
    http: httpx.Client,
    url: str,
    *,
    params: Mapping[str, str],
    auth: httpx.Auth,
    seconds: float,
    monotonic: Callable[[], float],
) -> Any:
    """
    Give the JSON of a 200; never follows a redirect, never asks twice.

    Raises DetailsUnavailable: final for a 404, worth asking again for everything else, after the seconds that the
    system itself named. The reason repeats nothing of the answer.
    """
    end = monotonic() + seconds
    try:
        with http.stream(
            "GET",
            url,
            params=params,
            auth=auth,
            headers={"accept": "application/json", "accept-encoding": "identity"},
            timeout=seconds,
            follow_redirects=False,
        ) as answer:
            _check(answer)
            return parse(_body(answer, end, monotonic))
    except httpx.TimeoutException:
        raise DetailsUnavailable("the HR system did not answer in time") from None
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise DetailsUnavailable(f"the HR system could not be asked ({type(error).__name__})") from None
    except BadEvent:
        raise DetailsUnavailable("the HR system answered 200 with something that is no JSON") from None


def _check(answer: httpx.Response) -> None:
    match answer.status_code:
        case 200:
            return
        case 404:
            raise DetailsUnavailable("the HR system does not know the person (404)", final=True)
        case 401 | 403 as status:
            raise DetailsUnavailable(f"the HR system refused our key ({status})")
        case status:
            wait = answer.headers.get("retry-after", "")
            seconds = min(float(wait), LONGEST_WAIT) if _SECONDS.fullmatch(wait) else None
            raise DetailsUnavailable(f"the HR system answered {status}", retry_after=seconds)


def _body(answer: httpx.Response, end: float, monotonic: Callable[[], float]) -> bytes:
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise DetailsUnavailable("the HR system compressed its answer although nobody asked for it")
    body = b""
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise DetailsUnavailable("the HR system's answer is too long")
        if monotonic() > end:
            raise DetailsUnavailable("the HR system did not answer in time")
    return body
