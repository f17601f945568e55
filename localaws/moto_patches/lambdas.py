"""Patches of moto's Lambda: functions run in processes of this machine."""

import json

from moto.awslambda.models import LambdaFunction

from localaws.moto_patches.wiring import (
    Wiring,
    replace_method,
)


def run_lambda_functions() -> None:
    """Run Lambda functions in processes of this machine: moto wants Docker for that."""

    def _invoke_lambda(self: LambdaFunction, event: object = None) -> tuple[str, bool, str]:
        payload, failed = Wiring.current.invoke(self, event if isinstance(event, str) else json.dumps(event))
        return payload, failed, ""

    replace_method(LambdaFunction, "_invoke_lambda", _invoke_lambda)
