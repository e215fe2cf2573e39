"""One bounded GET to an HR system's API, and what each ending means for a thin notice."""

from datetime import datetime
from typing import Any

import httpx

from usher.domain.errors import BadEvent, DetailsUnavailable
from usher.domain.json_text import parse
from usher.http import Answer, Deadline, retry_after, send


def get(client: httpx.Client, url: str, *, authorization: str, deadline: Deadline, now: datetime) -> Any:
    """
    Give the JSON of a 200; never follows a redirect, never asks twice.

    Raises DetailsUnavailable: final for a 404, worth asking again for everything else, after the seconds that the
    system itself named. The reason repeats nothing of the answer.
    """
    answer = send(client, "GET", url, authorization=authorization, deadline=deadline, read=_parsed)
    if not isinstance(answer, Answer):
        raise DetailsUnavailable(f"the HR system did not answer: {answer.reason}")
    match answer.status:
        case 200 if answer.json is not None:
            return answer.json
        case 200:
            raise DetailsUnavailable("the HR system answered 200 with no JSON, or with more than can be read")
        case 404:
            raise DetailsUnavailable("the HR system does not know the person (404)", final=True)
        case 401 | 403 as status:
            raise DetailsUnavailable(f"the HR system refused our key ({status})")
        case status:
            moment = retry_after(answer.header("retry-after"), now)
            seconds = (moment - now).total_seconds() if moment else None
            raise DetailsUnavailable(f"the HR system answered {status}", retry_after=seconds)


def _parsed(raw: bytes) -> Any:
    try:
        return parse(raw)
    except BadEvent:
        return None
