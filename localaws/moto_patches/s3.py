"""A patch of moto 5.2.5: S3 that keeps the first of several objects."""

import threading
from typing import Any

from moto.s3.responses import S3Response

from localaws.moto_patches.wiring import replace_method


def keep_the_first_object() -> None:
    """Put objects that must be the first of their key one by one: moto looks, and writes a moment later."""
    put_object, lock = S3Response.put_object, threading.Lock()

    def put_one_by_one(self: S3Response) -> Any:
        if not self.headers.get("If-None-Match"):
            return put_object(self)
        with lock:
            return put_object(self)

    replace_method(S3Response, "put_object", put_one_by_one)
