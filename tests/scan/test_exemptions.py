"""Keys of users whose tags exempt them."""

from typing import Any

from tests.support.scanner import OLD, Scanner, changed_settings, user


def exempt_until(date: str) -> dict[str, Any]:
    return {"tags": {"iam-key-age:exempt-until": date, "iam-key-age:exempt-reason": "Break-glass user: CHG-2041"}}


def test_an_exempt_key_is_listed_and_sends_no_message(scanner: Scanner) -> None:
    result = scanner.scan([{**user("vault", OLD), **exempt_until("2026-11-22")}], as_of="2026-11-22T23:59:59Z")

    assert result.messages == result.mail == []
    assert result.report["totals"]["expired"] == 0
    [exempt] = result.report["exempt"]
    assert (exempt["user_name"], exempt["exempt_from"]) == ("vault", "expired")
    assert exempt["exemption"]["until"] == "2026-11-22"
    assert exempt["exemption"]["reason"] == "Break-glass user: CHG-2041"


def test_an_exemption_that_has_ended_exempts_nothing_and_the_message_says_why(scanner: Scanner) -> None:
    result = scanner.scan([{**user("vault", OLD), **exempt_until("2026-11-22")}], as_of="2026-11-23T00:00:00Z")

    assert result.report["totals"]["expired"] == 1
    assert "Not exempt: the exemption ended on 2026-11-22." in result.mail[0]["Message"]


def test_an_exemption_tag_in_another_case_is_refused_and_the_message_says_why(scanner: Scanner) -> None:
    tags = {"IAM-Key-Age:Exempt-Until": "2026-12-01", "iam-key-age:exempt-reason": "CHG-1"}

    result = scanner.scan([{**user("vault", OLD), "tags": tags}])

    assert result.report["totals"]["expired"] == 1
    text = " ".join(result.mail[0]["Message"].split())
    assert "Not exempt: the exemption's tag IAM-Key-Age:Exempt-Until has to be all in lower case." in text


def test_the_parameter_max_exempt_days_limits_exemptions(scanner: Scanner) -> None:
    vault = {**user("vault", OLD), **exempt_until("2026-12-23")}

    with changed_settings(scanner, "ValidateKeys", MAX_EXEMPT_DAYS="30"):
        report = scanner.report([vault])

    assert report["totals"]["expired"] == 1
    assert report["findings"][0]["exemption"]["why_not"].endswith(
        "2026-12-23, is too far ahead: 2026-12-22 is the last day allowed"
    )
