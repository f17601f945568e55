"""`chalice package` without AWS and without a network, while pip in it has the environment as it is.

Started as `python -P chalice_package.py REGION ARGUMENTS…`: a profile that does not exist would end it, and packaging
needs none; pip may need one, for an index in AWS CodeArtifact.
"""

import os
import sys

from chalice.cli import main
from chalice.utils import OSUtils

users_environment = dict(os.environ)
OSUtils.environ = lambda self: dict(users_environment)  # type: ignore[method-assign]  # noqa: ARG005  # for pip
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_DEFAULT_REGION"] = sys.argv.pop(1)
sys.exit(main())
