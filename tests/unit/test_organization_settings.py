"""Which accounts a stage scans, and by which role: what is taken, what is refused and in which words."""

import pytest

from chalicelib.organization_settings import (
    OrganizationSettings,
    ReaderSettings,
    check_requested,
    parse_organization_settings,
    parse_reader_settings,
)
from chalicelib.policy import InvalidPolicyError
from chalicelib.settings import InvalidSettingError

A, B, C = "111111111111", "222222222222", "333333333333"
BUCKET = {"REPORTS_BUCKET": "reports"}
READER = {"READER_ROLE_NAME": "iam-key-age-reader", "EXTERNAL_ID": "iam-key-age"}


@pytest.mark.parametrize(
    ("accounts", "excluded", "read"),
    [
        ("", "", OrganizationSettings()),
        ("organization", "", OrganizationSettings(whole=True)),
        (A, "", OrganizationSettings(named=(A,))),
        (f"{A},{B}", C, OrganizationSettings(named=(A, B), excluded=(C,))),
        ("organization", f"{B},{C}", OrganizationSettings(whole=True, excluded=(B, C))),
        ("s3://reports/organization/prod.txt", "", OrganizationSettings(list_key="organization/prod.txt")),
        (",".join(f"{number:012}" for number in range(100)), "", None),
    ],
)
def test_the_accounts_of_a_stage_are_read(accounts: str, excluded: str, read: OrganizationSettings | None) -> None:
    settings = parse_organization_settings({**BUCKET, "ACCOUNTS": accounts, "EXCLUDED_ACCOUNTS": excluded})

    assert settings == (read or OrganizationSettings(named=tuple(accounts.split(","))))
    assert settings.scans_organization is bool(accounts)


@pytest.mark.parametrize(
    "accounts",
    [
        "Organization",
        "all",
        "12345678901",
        "1234567890123",
        "１２３４５６７８９０１２",  # digits, of another script
        f"{A},",
        f"{A}, {B}",
        f"{A};{B}",
        f"{A},{A}",
        ",".join(f"{number:012}" for number in range(101)),
        "s3://reports/organization/",
        "s3://reports/organization/latest.json",
        "s3://reports/organization/a/b",
        "s3://reports/organization/../scans/x",
        "s3://reports/scans/accounts.txt",
        "s3://other/organization/accounts.txt",
        "s3://reports-2/organization/accounts.txt",
        "S3://reports/organization/accounts.txt",
        f"{A}\n",
    ],
)
def test_other_accounts_are_refused_by_name_with_the_value_and_what_it_takes(accounts: str) -> None:
    with pytest.raises(InvalidSettingError) as refused:
        parse_organization_settings({**BUCKET, "ACCOUNTS": accounts})

    assert refused.value.field == "ACCOUNTS"
    assert refused.value.value == accounts
    assert refused.value.takes == (
        "nothing, organization, 1 to 100 account ids of 12 digits, each once, with a comma and no space between, or "
        "s3://reports/organization/NAME, a list of ids in the stack's own bucket"
    )


@pytest.mark.parametrize("excluded", ["organization", f"{A},{A}", f"{A} {B}", "1", "s3://reports/organization/x"])
def test_other_excluded_accounts_are_refused(excluded: str) -> None:
    with pytest.raises(InvalidSettingError, match=r"^EXCLUDED_ACCOUNTS: .* it takes nothing, or 1 to 100 account ids"):
        parse_organization_settings({"ACCOUNTS": "organization", "EXCLUDED_ACCOUNTS": excluded})


def test_the_reader_role_is_read() -> None:
    assert parse_reader_settings(READER) == ReaderSettings("iam-key-age-reader", "iam-key-age")
    assert parse_reader_settings({**READER, "USAGE_EVIDENCE": "on"}).usage_evidence
    assert (
        parse_reader_settings({"READER_ROLE_NAME": "a" * 64, "EXTERNAL_ID": "a=,.@:/_+-"}).external_id == "a=,.@:/_+-"
    )


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        *(
            ("READER_ROLE_NAME", value, "1 to 64 characters out of A-Z a-z 0-9 _ + = , . @ -")
            for value in ("", "a" * 65, "ops/reader", "arn:aws:iam::111111111111:role/x", "rôle", "a b", "a\n", "*")
        ),
        *(
            ("EXTERNAL_ID", value, "2 to 64 characters out of A-Z a-z 0-9 = , . @ : / _ + -")
            for value in ("", "a", "a" * 65, "a b", "ä" * 4, "ab\n", "a*")
        ),
        *(("USAGE_EVIDENCE", value, "on or off") for value in ("", "true", "ON")),
    ],
)
def test_another_role_or_external_id_is_refused_by_name(name: str, value: str, takes: str) -> None:
    with pytest.raises(InvalidSettingError) as refused:
        parse_reader_settings({**READER, name: value})

    assert (refused.value.field, refused.value.value, refused.value.takes) == (name, value, takes)


@pytest.mark.parametrize(
    ("settings", "requested"),
    [
        (OrganizationSettings(whole=True), [A, B]),
        (OrganizationSettings(list_key="organization/x"), [A]),
        (OrganizationSettings(named=(A, B)), [B]),
        (OrganizationSettings(), None),
        (OrganizationSettings(whole=True, excluded=(C,)), None),
    ],
)
def test_accounts_that_a_stage_scans_may_be_requested(
    settings: OrganizationSettings, requested: list[str] | None
) -> None:
    check_requested(settings, requested)


@pytest.mark.parametrize(
    ("settings", "field", "takes"),
    [
        (OrganizationSettings(), "accounts", "nothing: this stage scans its own account alone"),
        (
            OrganizationSettings(named=(A, C)),
            "accounts[1]",
            "accounts that this stage scans: those of the stack parameter",
        ),
        (OrganizationSettings(named=(A, B), excluded=(B,)), "accounts[1]", "this one is among ExcludedAccounts"),
        (OrganizationSettings(whole=True, excluded=(C, B)), "accounts[1]", "this one is among ExcludedAccounts"),
        (OrganizationSettings(list_key="organization/x", excluded=(B,)), "accounts[1]", "among ExcludedAccounts"),
    ],
)
def test_other_accounts_are_refused_by_their_place(settings: OrganizationSettings, field: str, takes: str) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        check_requested(settings, [A, B])

    assert refused.value.field == field
    assert takes in refused.value.takes
