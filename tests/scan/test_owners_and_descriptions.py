"""Text that means itself: an owner that is called "unknown", blank tags, the description of a key."""

import csv
import io
import json
from typing import Any

import pandas
import pytest

from chalicelib.documents import Report
from chalicelib.outputs.message_text import compose_message
from chalicelib.outputs.report_csv import render_csv
from chalicelib.outputs.report_html import render_html
from chalicelib.outputs.sentences import age_in_words, last_use_in_words
from chalicelib.outputs.sns import compose_notification
from chalicelib.report.account import unknown_user
from tests.support.iam_errors import deny, run_before
from tests.support.reports import DENIED, FOLDER, key, report_of, user
from tests.support.scanner import OLD, Scanner, worst_tags
from tests.support.scanner import user as user_of_account
from tests.unit.test_details import BLANKS

SENTINELS = ["unknown", "never", "N/A", "none", "null", "None", "no owner tag"]
EXEMPT = {"iam-key-age:exempt-until": "2026-12-31", "iam-key-age:exempt-reason": "CHG-1"}


def owned(owner: str, **tags: str) -> Report:
    return report_of(user("ann", key("AKIAOLD", 200, used=1), tags={"owner": owner, **tags}))


WITHOUT_TAGS = report_of({**user("ann", key("AKIAOLD", 200)), "facts": unknown_user(DENIED)})
WITHOUT_OWNER = report_of(user("ann", key("AKIAOLD", 200, used=1)))


def rows(report: Report) -> list[dict[str, str]]:
    file = io.TextIOWrapper(io.BytesIO("".join(render_csv(report)).encode()), encoding="utf-8-sig", newline="")
    return list(csv.DictReader(file))


@pytest.mark.parametrize("owner", SENTINELS)
def test_an_owner_is_what_the_tag_says_whatever_it_says(owner: str) -> None:
    report = owned(owner)

    [finding], [row] = report["findings"], rows(report)
    assert (finding["owner"], finding["owner_known"]) == (owner, True)
    assert (row["owner"], row["owner_known"]) == (owner, "true")
    assert f", owner {owner}\n" in compose_message(report, FOLDER).text
    assert f'<td class="name">ann<span>{owner}</span></td>' in "".join(render_html(report))
    [of_programs] = json.loads(json.loads(compose_notification(report, FOLDER)["message"])["sqs"])["findings"]
    assert (of_programs["owner"], of_programs["owner_known"]) == (owner, True)


def test_an_owner_that_could_not_be_had_is_told_from_one_that_is_called_unknown() -> None:
    [finding], [row] = WITHOUT_TAGS["findings"], rows(WITHOUT_TAGS)

    assert (finding["owner"], finding["owner_known"]) == ("unknown", False)
    assert (row["owner"], row["owner_known"]) == ("unknown", "false")
    assert "owner" not in age_in_words(finding)
    assert '<td class="name">ann<span>owner not known</span></td>' in "".join(render_html(WITHOUT_TAGS))


def test_a_user_without_an_owner_tag_is_known_to_have_none() -> None:
    [finding], [row] = WITHOUT_OWNER["findings"], rows(WITHOUT_OWNER)

    assert (finding["owner"], finding["owner_known"]) == (None, True)
    assert (row["owner"], row["owner_known"]) == ("", "true")
    assert age_in_words(finding).endswith(", no owner tag")
    assert '<td class="name">ann<span>no owner tag</span></td>' in "".join(render_html(WITHOUT_OWNER))


@pytest.mark.parametrize("sentinel", SENTINELS)
def test_a_description_a_reason_and_a_service_are_what_they_say(sentinel: str) -> None:
    reason = {"iam-key-age:exempt-reason": sentinel}
    outcome = user("ann", key("AKIAOLD", 200, used=1), tags=EXEMPT | reason | {"AKIAOLD": sentinel})
    outcome["details"]["last_used"][0]["service"] = sentinel
    report = report_of(outcome)

    [exempt], [row] = report["exempt"], rows(report)
    assert exempt["exemption"] is not None
    assert (exempt["description"], exempt["exemption"]["reason"]) == (sentinel, sentinel)
    assert (row["description"], row["exempt_reason"], row["last_used_service"]) == (sentinel, sentinel, sentinel)
    assert row["last_used_at"] == "2026-11-21T08:00:00Z"
    assert last_use_in_words(exempt) == f"2026-11-21, {sentinel}, us-east-1"


@pytest.mark.parametrize("blank", BLANKS)
def test_a_blank_owner_and_a_blank_description_are_none(blank: str) -> None:
    [finding] = owned(blank, AKIAOLD=blank)["findings"]

    assert (finding["owner"], finding["owner_known"], finding["description"]) == (None, True, None)


DESCRIBED = report_of(
    user(
        "ann",
        *(key("AKIAOLD", 200, used=1), key("AKIANEW", 5, used="never")),
        tags={"owner": "web", "AKIAOLD": "=nightly <b>backup</b> of the billing db", "AKIANEW": "for the new host"},
    ),
    user("vault", key("AKIAVAULT", 300, used=250), tags=EXEMPT | {"AKIAVAULT": "Schlüssel im Tresor"}),
)


def test_the_description_of_a_key_stands_beside_it_in_each_output() -> None:
    [finding], [exempt] = DESCRIBED["findings"], DESCRIBED["exempt"]
    assert finding["description"] == "=nightly <b>backup</b> of the billing db"
    assert finding["other_keys"][0]["description"] == "for the new host"
    assert finding["tags"] == {"owner": "web"}
    assert exempt["description"] == "Schlüssel im Tresor"
    assert set(exempt["tags"]) == set(EXEMPT)

    assert [row["description"] for row in rows(DESCRIBED)] == [
        "'=nightly <b>backup</b> of the billing db",
        "Schlüssel im Tresor",
    ]
    text = compose_message(DESCRIBED, FOLDER).text
    assert "  Rotate AKIAOLD, ann\n      Description: =nightly <b>backup</b> of the billing db\n      200 days" in text
    assert "until 2026-12-31  vault\n      Description: Schlüssel im Tresor\n      300 days" in text
    page = "".join(render_html(DESCRIBED))
    assert "<code>AKIAOLD</code><span" in page
    assert ">=nightly &lt;b&gt;backup&lt;/b&gt; of the billing db</span>" in page
    assert "<code>AKIAVAULT</code><span" in page
    [of_programs] = json.loads(json.loads(compose_notification(DESCRIBED, FOLDER)["message"])["sqs"])["findings"]
    assert of_programs["description"] == finding["description"]


def test_no_description_is_shown_where_the_tags_could_not_be_had() -> None:
    dark = {**user("ann", key("AKIAOLD", 200, used=1)), "facts": unknown_user(DENIED)}

    [finding] = report_of(dark)["findings"]

    assert (finding["description"], finding["owner_known"]) == (None, False)


def test_no_description_breaks_a_line_of_the_message() -> None:
    text = compose_message(owned("web", AKIAOLD="x\u2028\u2029Users: 9 listed = 9 checked " * 9), FOLDER).text

    assert text.splitlines() == text.split("\n")[:-1]
    assert max(map(len, text.splitlines())) < 80


def test_a_spreadsheet_knows_by_its_first_bytes_that_the_csv_is_utf_8() -> None:
    file = "".join(render_csv(DESCRIBED)).encode()

    assert file.startswith(b"\xef\xbb\xbfverdict,user_name,")
    assert file.count(b"\xef\xbb\xbf") == 1
    for encoding in (None, "utf-8", "utf-8-sig"):
        frame: Any = pandas.read_csv(io.BytesIO(file), encoding=encoding)
        assert frame.columns[0] == "verdict"
        assert frame["description"].tolist()[1] == "Schlüssel im Tresor"


def one_user(**tags: str) -> list[dict[str, Any]]:
    """A user of an account file with an old key, AKIAOLDOLDOLDOLDOLD1, and a new one."""
    keys = [
        {"access_key_id": "AKIAOLDOLDOLDOLDOLD1", "created_at": OLD},
        {"access_key_id": "AKIANEWNEWNEWNEWNEW1", "created_at": "2026-11-01T00:00:00Z"},
    ]
    return [{"user_name": "ann", "access_keys": keys, "tags": tags}]


@pytest.mark.parametrize("owner", ["unknown", "never"])
def test_a_tag_that_says_unknown_is_an_owner_like_any_other(scanner: Scanner, owner: str) -> None:
    result = scanner.scan(one_user(owner=owner))

    [finding] = result.report["findings"]
    assert (finding["owner"], finding["owner_known"], finding["tags"]) == (owner, True, {"owner": owner})
    assert f"owner {owner}" in result.mail[0]["Message"]


def test_tags_that_are_denied_leave_the_owner_and_the_description_unknown(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_before(monkeypatch, "get_account_authorization_details", deny)

    result = scanner.scan(one_user(owner="web", AKIAOLDOLDOLDOLDOLD1="backup"))

    [finding] = result.report["findings"]
    assert (finding["owner"], finding["owner_known"], finding["description"]) == ("unknown", False, None)
    assert "owner unknown" not in result.mail[0]["Message"]


@pytest.mark.parametrize("blank", ["", " ", "   ", "\u00a0", "\u2003", "\u3000", " \u00a0 "])
def test_a_blank_tag_of_the_owner_is_passed_over(scanner: Scanner, blank: str) -> None:
    report = scanner.report(one_user(owner=blank, email="web@example.com"))

    assert report["findings"][0]["owner"] == "web@example.com"
    assert report["findings"][0]["tags"] == {"email": "web@example.com"}


def test_the_description_of_a_key_comes_with_the_tags_and_costs_no_call(scanner: Scanner) -> None:
    without = scanner.scan(one_user(owner="web"))

    result = scanner.scan(
        one_user(owner="web", AKIAOLDOLDOLDOLDOLD1="nightly backup of the billing db", AKIANEWNEWNEWNEWNEW1="new host")
    )

    [finding] = result.report["findings"]
    assert finding["description"] == "nightly backup of the billing db"
    assert [other["description"] for other in finding["other_keys"]] == ["new host"]
    assert finding["tags"] == {"owner": "web"}
    assert "\n      Description: nightly backup of the billing db\n" in result.mail[0]["Message"]
    assert b"nightly backup of the billing db" in result.files["report.html"]
    assert result.files["report.csv"].startswith(b"\xef\xbb\xbfverdict")
    [row, *_] = csv.DictReader(io.StringIO(result.files["report.csv"].decode("utf-8-sig"), newline=""))
    assert row["description"] == "nightly backup of the billing db"
    calls = [
        {name: count for name, count in each.stats["calls"].items() if name.startswith("iam:")}
        for each in (without, result)
    ]
    assert calls[0] == calls[1]


def test_a_tag_that_is_named_by_a_key_of_somebody_else_is_not_kept(scanner: Scanner) -> None:
    mine, theirs = one_user(AKIABOBBOBBOBBOBBOB1="of bob")[0], user_of_account("bob")
    theirs["access_keys"] = [{"access_key_id": "AKIABOBBOBBOBBOBBOB1", "created_at": OLD}]

    report = scanner.report([mine, theirs])

    assert [(finding["description"], finding["tags"]) for finding in report["findings"]] == [(None, {}), (None, {})]


@pytest.mark.parametrize("letter", ["x", "ü", "日", "𠮷"], ids=["1 byte", "2 bytes", "3 bytes", "4 bytes"])
def test_the_largest_page_with_a_description_of_each_key_is_below_what_a_state_takes(
    scanner: Scanner, letter: str
) -> None:
    used = {"last_used": {"at": "2026-11-21T08:00:00Z", "service": "s" * 30, "region": "ap-southeast-2"}}
    made_up = []
    for number in range(100):
        key_ids = f"AKIAFIRST{number:011}", f"AKIASECOND{number:010}"
        tags = dict(list(worst_tags(letter).items())[:48]) | dict.fromkeys(key_ids, letter * 256)
        keys = [{"access_key_id": key_id, "created_at": OLD, **used} for key_id in key_ids]
        name = f"{'n' * 61}{number:03}"
        made_up.append({"user_name": name, "path": f"/{'p' * 510}/", "tags": tags, "access_keys": keys})

    result = scanner.scan(made_up)

    assert result.error is None
    assert {len(finding["description"]) for finding in result.report["findings"]} == {131 if letter == "x" else 43}
    assert result.stats["largest_payload_bytes"] < 0.5 * 256 * 1024  # tags are in no state


@pytest.mark.parametrize(
    ("created_at", "shown"),
    [
        ("2015-04-21T23:59:59Z", "none on record since 2015-04-22"),
        ("2015-04-22T00:00:00Z", "never"),
        ("2015-04-22T00:00:01Z", "never"),
    ],
)
def test_no_output_says_never_of_a_key_that_is_older_than_the_record_of_last_uses(
    scanner: Scanner, created_at: str, shown: str
) -> None:
    result = scanner.scan([user_of_account("legacy", created_at)])

    [finding] = result.report["findings"]
    assert finding["last_used"] is None
    assert f",true,{shown},,," in result.files["report.csv"].decode()
    assert f'<td class="used">{shown}</td>' in result.files["report.html"].decode()
    never_used = "Never used since it was created on" in " ".join(result.mail[0]["Message"].split())
    assert never_used is (shown == "never")


@pytest.mark.parametrize("service", ["ses-smtp", "ses"])
def test_the_message_about_a_key_of_an_smtp_user_says_what_to_do_with_the_password(
    scanner: Scanner, service: str
) -> None:
    last_used = {"at": "2026-11-21T08:00:00Z", "service": service, "region": "eu-west-1"}
    smtp = {"user_name": "smtp", "access_keys": [{"created_at": OLD, "last_used": last_used}]}

    text = " ".join(scanner.scan([smtp]).mail[0]["Message"].split())

    assert f"In use, last on 2026-11-21 for {service} in eu-west-1: create a successor," in text
    assert "SMTP password of SES is derived from the secret access key and the Region" in text
    assert "for eu-west-1, or create new SMTP credentials in SES." in text
