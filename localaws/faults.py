"""What is made to go wrong in the local AWS (`--faults`): which call of the scan is answered with which error."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from localaws.strict_json import AccountId, Strict, UserName, matching, parse_document

_ALWAYS = -1
_MOST = 1_000_000
_LONGEST_MS = 60_000
_LONGEST_SESSION = 3600


def _between(low: float, high: float, takes: str) -> Any:
    def check(value: float) -> float:
        if not low <= value <= high:  # which no NaN is
            raise ValueError(f"takes {takes} from {low:,} to {high:,}")
        return value

    return AfterValidator(check)


Address = Annotated[str, matching(r"[^@\s]{1,64}@[^@\s]{1,255}", "an e-mail address")]
Whole = Annotated[int, _between(1, _MOST, "a whole number")]
Times = Annotated[int, _between(_ALWAYS, _MOST, "a whole number of calls, -1 for all of them,")]


class UpdateFaults(Strict):
    """What goes wrong when an access key's status is changed: all refused, or the first calls, in this order.

    `throttle`: throttled. `time_out`: without an answer, and nothing changes. `lose`: it changes, and no answer comes.
    """

    deny: bool = False
    throttle: Times = 0
    time_out: Times = 0
    lose: Times = 0


class IamFaults(Strict):
    """What goes wrong in IAM; a token bucket needs its rate."""

    throttle_ratio: Annotated[float, _between(0, 1, "a share")] = 0
    rate_per_second: Annotated[float, _between(0.1, _MOST, "a number")] | None = None
    burst: Whole | None = None
    latency_ms: Annotated[float, _between(0, _LONGEST_MS, "milliseconds")] = 0
    deny: list[UserName] = Field(default=[])
    delete: list[UserName] = Field(default=[])
    update_access_key: UpdateFaults = UpdateFaults()

    @model_validator(mode="after")
    def _has_a_rate_for_its_burst(self) -> "IamFaults":
        if self.burst is not None and self.rate_per_second is None:
            raise ValueError("takes burst only beside rate_per_second")
        return self


class Failing(Strict):
    """How many of the first calls fail, -1 for all."""

    fail: Times = 0


class FunctionFailing(Failing):
    """How many of a function's first invocations fail, and how many end without an answer after those."""

    crash: Times = 0


class SendingFaults(Strict):
    """What goes wrong in an operation by which others are notified: all refused, or the first calls, in this order.

    `throttle`: throttled. `fail`: an error of the service. `time_out`: without an answer, and nothing is sent. `lose`:
    it is sent, and no answer comes.
    """

    deny: bool = False
    throttle: Times = 0
    fail: Times = 0
    time_out: Times = 0
    lose: Times = 0


class SendEmailFaults(SendingFaults):
    """What goes wrong when SES is to send a mail.

    `refuse`: to these addresses. `pause`: the account's sending is paused. `quota` is how many mails the day's quota
    takes. `rate_per_second`: the sandbox takes 1, here nothing is limited otherwise.
    """

    refuse: list[Address] = Field(default=[])
    pause: bool = False
    quota: Annotated[int, _between(0, _MOST, "a whole number")] | None = None
    rate_per_second: Annotated[float, _between(0.1, _MOST, "a number")] | None = None


class SesFaults(Strict):
    """What goes wrong in SES."""

    send_email: SendEmailFaults = SendEmailFaults()


class PutEventsFaults(SendingFaults):
    """What goes wrong when events are put on a bus; `fail_entries`: of the first calls, each event fails."""

    fail_entries: Times = 0


class EventsFaults(Strict):
    """What goes wrong in EventBridge."""

    put_events: PutEventsFaults = PutEventsFaults()


class ImportFindingsFaults(SendingFaults):
    """What goes wrong when findings are imported.

    `not_enabled`: Security Hub is not. `fail_findings`: of the first calls, each finding fails.
    """

    not_enabled: bool = False
    fail_findings: Times = 0


class SecurityHubFaults(Strict):
    """What goes wrong in Security Hub."""

    batch_import_findings: ImportFindingsFaults = ImportFindingsFaults()


class FunctionFaults(Strict):
    """Which functions' invocations fail."""

    read_policy: FunctionFailing = FunctionFailing()
    read_account: FunctionFailing = FunctionFailing()
    validate_keys: FunctionFailing = FunctionFailing()
    look_up_usage: FunctionFailing = FunctionFailing()
    build_report: FunctionFailing = FunctionFailing()
    list_accounts: FunctionFailing = FunctionFailing()
    scan_account: FunctionFailing = FunctionFailing()
    build_organization_report: FunctionFailing = FunctionFailing()
    check_deactivation: FunctionFailing = FunctionFailing()
    send_events: FunctionFailing = FunctionFailing()
    import_findings: FunctionFailing = FunctionFailing()
    notify_owners: FunctionFailing = FunctionFailing()


class ServiceFaults(Failing):
    """What goes wrong in a service: calls that are throttled first, that fail then, or all refused."""

    throttle: Times = 0
    deny: bool = False


class StsFaults(ServiceFaults):
    """What goes wrong when a role of an account is assumed.

    `answers_as`: the credentials are of another account; `session_seconds`: they expire early.
    """

    answers_as: AccountId | None = None
    session_seconds: Annotated[float, _between(0, _LONGEST_SESSION, "seconds")] | None = None


class ScanAccountFaults(Strict):
    """What goes wrong when the function that scans an account is invoked for one of them."""

    scan_account: FunctionFailing = FunctionFailing()


class AccountFaults(Strict):
    """What goes wrong in one account, in place of what goes wrong in all.

    `closes_after` so many calls of its services, it is closed, and refuses all.
    """

    iam: IamFaults | None = None
    cloudtrail: ServiceFaults | None = None
    sts: StsFaults = StsFaults()
    functions: ScanAccountFaults = Field(default=ScanAccountFaults(), alias="lambda")
    closes_after: Whole | None = None


class Faults(Strict):
    """All that is to go wrong; nothing, without any."""

    seed: int = 0
    iam: IamFaults = IamFaults()
    functions: FunctionFaults = Field(default=FunctionFaults(), alias="lambda")
    s3: Failing = Failing()
    sns: Failing = Failing()
    cloudtrail: ServiceFaults = ServiceFaults()
    organizations: ServiceFaults = ServiceFaults()
    states: ServiceFaults = ServiceFaults()
    sesv2: SesFaults = SesFaults()
    events: EventsFaults = EventsFaults()
    securityhub: SecurityHubFaults = SecurityHubFaults()
    accounts: dict[AccountId, AccountFaults] = Field(default={})

    def of_account(self, account_id: str) -> AccountFaults:
        """Return what goes wrong in an account."""
        return self.accounts.get(account_id, _NO_FAULTS)

    def iam_of(self, account_id: str) -> IamFaults:
        """Return what goes wrong in an account's IAM."""
        return self.of_account(account_id).iam or self.iam

    @property
    def have_latency(self) -> bool:
        """Whether IAM is to be slow anywhere."""
        everywhere = (self.iam, *(account.iam for account in self.accounts.values()))
        return any(iam.latency_ms for iam in everywhere if iam)


_NO_FAULTS = AccountFaults()


def parse_faults(text: str) -> Faults:
    """Read what `--faults` takes; DocumentError for what is refused."""
    return parse_document(Faults, text, "faults")
