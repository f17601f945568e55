"""A stage that notifies owners, scan after scan, with S3, SES and SNS in memory: who gets which notice when."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ReadTimeoutError

from chalicelib.aws import clients
from chalicelib.documents import Report
from chalicelib.instants import parse_instant
from chalicelib.key_documents import Finding
from chalicelib.outputs.notice_mail import Mail, compose_notice
from chalicelib.steps import notices
from chalicelib.telling.notice import Notice, OwnedKey
from chalicelib.telling_documents import Reason
from tests.support.fake_scans import Bucket, refusal
from tests.support.plans import at
from tests.support.reports import AS_OF, key, report_of, user

FROM, DOMAIN = "iam-key-age@example.com", "example.com"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:iam-key-age-prod-owners"
BY_SES = {
    "REPORTS_BUCKET": "reports",
    "OWNER_NOTICES": "ses",
    "OWNER_DOMAINS": f"{DOMAIN},example.org",
    "NOTICES_FROM": FROM,
    "NOTICES_CONFIGURATION_SET": "iam-key-age-prod-notices",
}
BY_SNS = {"REPORTS_BUCKET": "reports", "OWNER_NOTICES": "sns", "NOTICES_TOPIC_ARN": TOPIC}
ENOUGH = 300.0  # seconds
A_MINUTE = timedelta(minutes=1)
TOO_FAST = refusal("TooManyRequestsException", 429, "Maximum sending rate exceeded.")
NO_QUOTA = refusal("TooManyRequestsException", 429, "Daily message quota exceeded.")
REJECTED = refusal("MessageRejected", 400, "Email address is not verified: alice@example.com")
NO_ANSWER = ReadTimeoutError(endpoint_url="https://email.eu-central-1.amazonaws.com")


class KilledError(BaseException):
    """The function ends in the middle, as when its time is up."""


class Sent(NamedTuple):
    """A notice that was delivered: on which day, to which address or topic, and what it is of."""

    day: float
    to: str
    owner: str
    kind: str
    news: dict[str, tuple[Reason, ...]]  # reasons, by the ids of all keys that it lists, in its order
    new: tuple[str, ...] = ()  # ids of those that it lists first


class Stage:
    """Makes scans and calls the function of notices, as the state machine does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str] | None = None) -> None:
        self.bucket, self.sent, self.waits = Bucket(), list[Sent](), list[float]()
        self.calls: list[dict[str, Any]] = []  # to SES and SNS
        self.answers: list[Exception | None] = []  # to the next calls; after these, all is taken
        self.refuses: Callable[[str], Exception | None] = lambda _: None  # an address, each time
        self.on_call: Callable[[str], None] = lambda _: None  # before each call to S3, SES or SNS
        self.composes: Callable[..., Mail] = compose_notice
        self.now = AS_OF
        self.last: Report | None = None  # that a scan is compared with
        self._composed: list[Notice] = []
        self.bucket.clock = lambda: self.now + timedelta(minutes=1)
        for name in ("OWNER_NOTICES", *BY_SES, *BY_SNS):
            monkeypatch.delenv(name, raising=False)
        for name, value in (BY_SES if settings is None else settings).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(clients, "s3", lambda: _Watched(self.bucket, self._called))
        for service in ("ses", "sns"):
            monkeypatch.setattr(clients, service, lambda: self)
        monkeypatch.setattr("chalicelib.aws.mail.time.sleep", self.waits.append)
        monkeypatch.setattr(notices, "compose_notice", self._compose)
        monkeypatch.setattr(notices, "_READ_AT_A_TIME", 1)  # so that calls always have the same order

    def report(self, day: float, *outcomes: dict[str, Any], scan_id: str = "", **policy: Any) -> Report:
        """Scan so many days after AS_OF, and keep the report."""
        scan_id = scan_id or f"scan-{day}"
        report = report_of(*outcomes, last=self.last, as_of_scan=at(day), scan_id=scan_id, **policy)
        self.keep(report)
        return report

    def keep(self, report: Any) -> None:
        self.bucket.keep(f"scans/{report['scan_id']}/report.json", report)

    def notify(
        self,
        day: float,
        scan_id: str = "",
        seconds_left: float | Callable[[], float] = ENOUGH,
        late: timedelta = A_MINUTE,
    ) -> Any:
        """Call the function for the scan of a day, so much later."""
        left = seconds_left if callable(seconds_left) else lambda: seconds_left
        before, composed, self.now, self._composed = self.now, self._composed, at(day), []
        try:
            return notices.notify_owners({"scan_id": scan_id or f"scan-{day}"}, self.now + late, left)
        finally:
            self.now, self._composed = before, composed  # of a scan that this one came between

    def scan(self, day: float, *outcomes: dict[str, Any], **more: Any) -> Any:
        """Scan, and notify the owners."""
        self.report(day, *outcomes, **more)
        return self.notify(day, more.get("scan_id", ""))

    def files(self) -> dict[str, Any]:
        """The owners' files, by their names."""
        found = {key: json.loads(body) for key, body in self.bucket.objects.items() if key.startswith("notices/")}
        return {key.removeprefix("notices/"): file for key, file in found.items()}

    def file_of(self, owner: str) -> Any:
        return next(file for file in self.files().values() if file["owner"] == owner)

    def sent_to(self, owner: str) -> list[tuple[float, str]]:
        """The days on which an owner got a notice, each with its kind."""
        return [(sent.day, sent.kind) for sent in self.sent if sent.owner == owner]

    def days_since(self, instant: str, day: float) -> float:
        """How many days a day is after an instant."""
        return (at(day) - parse_instant(instant)) / timedelta(days=1)

    def send_email(self, **given: Any) -> dict[str, str]:
        return self._take(given, given["Destination"]["ToAddresses"][0])

    def publish(self, **given: Any) -> dict[str, str]:
        return self._take(given, given["TopicArn"])

    def _called(self, name: str) -> None:
        self.on_call(name)

    def _take(self, given: dict[str, Any], to: str) -> dict[str, str]:
        notice = self._composed[-1]
        self.on_call("send")
        self.calls.append(given)
        answer = self.refuses(to) or (self.answers.pop(0) if self.answers else None)
        if answer is None or answer is NO_ANSWER:  # which is taken, and nobody learns of it
            news = {one.owned.finding["access_key_id"]: tuple(one.news) for one in notice.keys}
            day = round((notice.as_of - AS_OF) / timedelta(days=1), 5)
            new = tuple(one.owned.finding["access_key_id"] for one in notice.keys if one.is_new)
            self.sent.append(Sent(day, to, notice.owner, notice.kind, news, new))
        if answer is not None:
            raise answer
        return {"MessageId": "1"}

    def _compose(self, notice: Notice, test_to: str, **more: bool) -> Mail:
        self._composed.append(notice)
        return self.composes(notice, test_to, **more)


class _Watched:
    """A bucket that says of each call, before it does what it is to."""

    def __init__(self, bucket: Bucket, on_call: Callable[[str], None]) -> None:
        self._bucket, self._on_call = bucket, on_call

    def __getattr__(self, name: str) -> Any:
        if name in ("get_object", "put_object"):
            self._on_call(name)
        return getattr(self._bucket, name)


def owned_by(owner: str, name: str, *keys: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A user with an owner tag."""
    return user(name, *keys, tags={"owner": owner, **more.pop("tags", {})}, **more)


def finding(age: float = 100, **fields: Any) -> Finding:
    """The finding of a key of alice, so many days old, with other fields where they are given."""
    (found,) = report_of(owned_by("alice@example.com", "alice", key("AKIA1", age)))["findings"]
    return {**found, **fields}  # type: ignore[typeddict-item]  # fields of it


def owned(age: float = 100, deactivates: bool = True, **fields: Any) -> OwnedKey:
    """A key of alice, so many days old, that was never used."""
    return OwnedKey("123456789012", None, None, finding(age, **{"last_used": None, **fields}), 90, deactivates)


def with_id(one: OwnedKey, key_id: str, **fields: Any) -> OwnedKey:
    """The same with another access key id."""
    changed: Any = {**one.finding, "access_key_id": key_id, **fields}
    return replace(one, finding=changed)
