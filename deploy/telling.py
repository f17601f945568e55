"""Whom else a stack is to notify: parameters that are refused together, and those that have no effect."""

from collections.abc import Iterator, Mapping

from chalicelib.settings import InvalidSettingError
from chalicelib.telling_settings import parse_notice_settings

OF_NOTICES = {
    "OwnerNotices": "OWNER_NOTICES",
    "NoticesFrom": "NOTICES_FROM",
    "OwnerDomains": "OWNER_DOMAINS",
    "NoticesTestTo": "NOTICES_TEST_TO",
}
_OF_SES = ("NoticesFrom", "OwnerDomains", "NoticesTestTo")


def check_notices(parameters: Mapping[str, str], where: str = "") -> None:
    """Refuse, by InvalidSettingError, what the function that mails owners would not take."""
    if parameters["OwnerNotices"] != "ses":
        return
    if not any(parameters[name] for name in ("NoticesFrom", "OwnerDomains")):
        takes = "NoticesFrom, an e-mail address, and OwnerDomains, the domains of owners' addresses, with it"
        raise InvalidSettingError(f"{where}OwnerNotices", "ses", takes)
    try:
        parse_notice_settings({variable: parameters[name] for name, variable in OF_NOTICES.items()})
    except InvalidSettingError as error:
        [name] = [name for name, variable in OF_NOTICES.items() if variable == error.field]
        takes = error.takes.replace("OWNER_NOTICES", "OwnerNotices")
        raise InvalidSettingError(f"{where}{name}", error.value, takes) from error


def check_event_bus(event_bus: str, region: str) -> None:
    """Refuse, by InvalidSettingError, an event bus of another Region: EventBridge takes events in its own alone."""
    if event_bus.startswith("arn:") and event_bus.split(":")[3] != region:
        takes = f"default, or the ARN of an event bus in {region}, where the stack is: a rule can pass its events on"
        raise InvalidSettingError("EventBus", event_bus, takes)


def what_has_no_effect(parameters: Mapping[str, str]) -> Iterator[str]:
    """Yield, a line each, parameters that have no effect beside the others, and a test that nobody else hears of."""
    by = parameters["OwnerNotices"]
    for name in _OF_SES:
        if parameters[name] and by != "ses":
            yield f"{name}={parameters[name]} has no effect with OwnerNotices={by}: it is for ses"
    if by == "ses" and (test_to := parameters["NoticesTestTo"]):
        yield f"NoticesTestTo={test_to} gets all notices, and owners get none, until NoticesTestTo= is empty"
    if parameters["RemindDays"] and (notify_on := parameters["NotifyOn"]) != "changes":
        remind = f"RemindDays={parameters['RemindDays']}"
        yield f"{remind} has no effect with NotifyOn={notify_on}: what is overdue is in the message of each scan anyway"
