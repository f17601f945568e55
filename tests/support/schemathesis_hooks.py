"""What schemathesis does to each request: it signs it, and half of them are of a scan or an action that is there."""

import itertools
import os
from typing import Any

import schemathesis

from localaws.clients import CALLER_OF_THE_API, REGION
from localaws.sigv4 import SignedBy

schemathesis.auth.set_from_requests(SignedBy(*CALLER_OF_THE_API, REGION))  # type: ignore[attr-defined]  # as documented
_calls = itertools.count()


@schemathesis.hook
def before_call(_context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    kwargs["allow_redirects"] = False
    if case.path_parameters and next(_calls) % 2:
        case.path_parameters = {name: os.environ[name.upper()] for name in case.path_parameters}
