"""Puts every patch in place; they change moto for the whole process, and only add what AWS has.

Each is a row of docs/localaws.md, with its source.
"""

import functools
import warnings

from moto.core.config import default_user_config

from localaws.moto_patches import strictness
from localaws.moto_patches.cloudformation import (
    create_rest_apis_with_a_body,
    create_state_machines_that_execute,
    find_templates_by_path,
    leave_no_value_out_of_lists,
    make_change_sets_that_the_cli_can_use,
    run_the_serverless_transform,
    take_requests_for_encrypted,
    update_by_conditions,
    update_the_policies_of_roles,
)
from localaws.moto_patches.cloudtrail import answer_lookup_events
from localaws.moto_patches.event_buses import name_errors_of_put_events, put_events_as_eventbridge_does
from localaws.moto_patches.iam import (
    answer_account_authorization_details,
    find_access_keys_by_id,
    paginate_iam_lists,
    take_no_role_for_a_user,
    update_access_keys_as_iam_does,
)
from localaws.moto_patches.lambdas import run_lambda_functions
from localaws.moto_patches.organizations import list_accounts_page_by_page
from localaws.moto_patches.redrive import redrive_executions
from localaws.moto_patches.s3 import keep_the_first_object
from localaws.moto_patches.security_hub import take_findings_as_security_hub_does
from localaws.moto_patches.ses import send_mail_as_ses_does
from localaws.moto_patches.ses_account import describe_the_account, suppress_addresses, verify_identities_as_ses_does
from localaws.moto_patches.stack_sets import make_stack_sets_of_templates
from localaws.moto_patches.stepfunctions import (
    accept_express_children,
    evaluate_jsonata,
    keep_stopped_executions_stopped,
    leave_failed_children_among_the_results,
    limit_payloads_in_utf8,
    measure_payloads,
    name_executions,
    name_service_errors_as_aws_does,
    start_executions_of_tasks,
    start_executions_one_by_one,
)
from localaws.moto_patches.sts import assume_roles_as_sts_does, identify_callers
from localaws.moto_patches.wiring import Wiring


def apply(wiring: Wiring) -> None:
    """Patch moto for the local AWS that begins to run."""
    Wiring.current = wiring
    _patch_once()


@functools.cache
def _patch_once() -> None:
    default_user_config["stepfunctions"]["execute_state_machine"] = True
    warnings.filterwarnings("ignore", message="Tried to parse AWS::", module="moto")
    evaluate_jsonata()
    accept_express_children()
    leave_failed_children_among_the_results()
    name_service_errors_as_aws_does()
    start_executions_of_tasks()
    measure_payloads()
    limit_payloads_in_utf8()
    paginate_iam_lists()
    answer_account_authorization_details()
    find_access_keys_by_id()
    update_access_keys_as_iam_does()
    take_no_role_for_a_user()
    answer_lookup_events()
    list_accounts_page_by_page()
    assume_roles_as_sts_does()
    identify_callers()
    keep_the_first_object()
    send_mail_as_ses_does()
    take_findings_as_security_hub_does()
    describe_the_account()
    suppress_addresses()
    verify_identities_as_ses_does()
    put_events_as_eventbridge_does()
    name_errors_of_put_events()
    run_lambda_functions()
    run_the_serverless_transform()
    make_change_sets_that_the_cli_can_use()
    update_by_conditions()
    update_the_policies_of_roles()
    leave_no_value_out_of_lists()
    make_stack_sets_of_templates()
    take_requests_for_encrypted()
    find_templates_by_path()
    create_rest_apis_with_a_body()
    create_state_machines_that_execute()
    name_executions()
    redrive_executions()
    start_executions_one_by_one()
    keep_stopped_executions_stopped()
    strictness.apply()
