# Every target makes its virtual environment by itself; all it needs is Python 3.11 or later.
SHELL := bash
PYTHON ?= python3
STAGE ?= dev
API_PORT ?= 8180
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-organization scan-account serve test unit test-pythons check bench picture reference format lock package deploy deploy-statemachine deploy-reader deploy-readers check-member destroy clean

help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-19s %s\n", $$1, $$2}'

setup: ## make the virtual environment with the pinned requirements
	@$(BIN)/python -m deploy.installation check $(VENV) 2>/dev/null || { $(IS_NEW_ENOUGH) || { echo "$(NEEDED)"; exit 1; }; \
	  $(PYTHON) -m deploy.installation make $(VENV); }

# The one check that is not in Python, which may not start here, or be too old for the rest.
IS_NEW_ENOUGH = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'
NEEDED = Python 3.11 or later is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12 …

# Whom else scans tell: owners by mail, an event bus, Security Hub; all of it stays on this machine.
notifies := OwnerNotices=ses NoticesFrom=iam-key-age@example.com OwnerDomains=example.com EventBus=default SecurityHub=on

demo: setup ## scan a made-up account of 250 users on this machine
	@$(BIN)/python -m localaws scan --previous localaws/accounts/demo-account-before.json --parameters "UsageEvidence=on Deactivation=plan $(notifies)" --out out/demo

demo-organization: setup ## scan a made-up organization of 20 accounts on this machine
	@$(BIN)/python -m localaws scan --account localaws/accounts/demo-organization.json --previous localaws/accounts/demo-organization-before.json --out out/demo-organization

# Only those of make's own command line: other tools have variables of these names, too.
of_command = $(filter command override,$(firstword $(origin $(1))))
named := $(foreach name,ACCOUNT EMAIL PARAMETERS PROFILE SCANNER STAGE TAGS UNITS,$(if $(call of_command,$(name)),$(name)))
# As they were written, for the shell to read from its environment: make would take a $ in them for a variable of its own.
define as_written
override $(1) := $$(value $(1))
export $(1)
endef
$(foreach name,$(sort $(named) STAGE),$(eval $(call as_written,$(name))))

scan-account: setup ## scan your own AWS account on this machine, nothing deployed; PROFILE=… of your AWS configuration
	@mkdir -p out/account && chmod 700 out/account
	@$(BIN)/python -m localaws snapshot $(if $(filter PROFILE,$(named)),--profile "$$PROFILE") --out out/account/account.json
	@$(BIN)/python -m localaws scan --account out/account/account.json --out out/account

# A notice of no days, on any day, so that a key can be deactivated and activated again at once.
deactivates := Deactivation=apply DeactivateAfterDays=0 DeactivationWeekdays=MON,TUE,WED,THU,FRI,SAT,SUN

serve: setup ## keep the local AWS running, for clients of the API and the AWS CLI; API_PORT=8180
	@$(BIN)/python -m localaws serve --api-port "$(API_PORT)" --parameters "$(deactivates) $(notifies)"

test: setup ## run all tests
	@$(BIN)/python -m pytest

unit: setup ## run the tests that need no local AWS, which takes seconds
	@$(BIN)/python -m pytest tests/unit

test-pythons: test-python3.11 test-python3.12 test-python3.13 ## run all tests on each Python from 3.11 to 3.13 that is here, each in an environment of its own

test-python%:
	@! python$* -c "" >/dev/null 2>&1 || $(MAKE) --no-print-directory test VENV=.venv-$* PYTHON=python$*

check: setup ## lint, types, template and state machine
	@$(MAKE) --no-print-directory --jobs 2 check-types check-rest

.PHONY: check-types check-rest # at the same time: the types take as long as all the rest
check-types:
	$(BIN)/python -m mypy

check-rest: $(VENV)/checkov/ready
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m tests.support.lint_definition
	@$(MAKE) --no-print-directory package STAGE=dev
	$(BIN)/python -W ignore -m cfnlint.runner.cli build/sam.json statemachine/member-*.yaml docs/events/rules.yaml
	$(CHECKOV)/bin/python -m checkov.main --config-file .checkov.yaml --file build/sam.json statemachine/member-*.yaml

# In an environment of its own, for it pins an old boto3.
CHECKOV := $(VENV)/checkov
$(CHECKOV)/ready: requirements-checkov.txt
	@$(BIN)/python -m uv venv --quiet --allow-existing --python $(BIN)/python $(CHECKOV)
	@$(BIN)/python -m uv pip sync --quiet --require-hashes --python $(CHECKOV)/bin/python requirements-checkov.txt
	@touch $@

bench: setup ## measure; what it printed is in docs/performance.md
	@$(BIN)/python -m bench

picture: demo ## take the picture of the README anew, of the demo's report
	@$(BIN)/python -m tests.support.browser out/demo/report.html docs/report.png

reference: setup ## make anew what is made of something else: docs/api.md's reference, docs/deploy.md's parameters, the StackSet's role
	@$(BIN)/python -m tests.support.api_reference
	@$(BIN)/python -m tests.support.parameter_reference
	@$(BIN)/python -m tests.support.member_stackset

format: setup ## format the code
	@$(BIN)/python -m ruff check --fix --quiet . ; $(BIN)/python -m ruff format --quiet .

lock: setup ## pin and hash the requirements*.txt anew from their .in files
	@$(PIN) requirements.in -o requirements.txt
	@$(PIN) requirements-dev.in -o requirements-dev.txt
	@$(PIN) requirements-checkov.in -o requirements-checkov.txt

PIN := $(BIN)/python -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet

# What a person wrote is read by Python, never by the shell: in quotes, it goes as it is from the environment to it.
of_stage := --stage="$$STAGE"
of_named_stage = $(if $(filter STAGE,$(named)),$(of_stage))
given = $(if $(filter EMAIL,$(named)),--email="$$EMAIL") $(if $(filter PARAMETERS,$(named)),--parameters="$$PARAMETERS") \
  $(if $(filter TAGS,$(named)),--tags="$$TAGS")
given_for_readers = $(if $(filter PROFILE,$(named)),--profile="$$PROFILE") $(if $(filter SCANNER,$(named)),--scanner="$$SCANNER") \
  $(if $(filter PARAMETERS,$(named)),--parameters="$$PARAMETERS") $(if $(filter TAGS,$(named)),--tags="$$TAGS")

package: setup ## make build/sam.json and build/deployment.zip for STAGE
	@$(BIN)/python -m deploy package $(of_stage)

deploy: setup ## deploy the stack iam-key-age-STAGE; EMAIL=… subscribes an address, PARAMETERS='NotifyOn=changes …', TAGS='team=security …'
	@$(BIN)/python -m deploy deploy $(of_stage) $(given)

deploy-statemachine: setup ## after `chalice deploy --stage STAGE`: deploy all but the functions beside them
	@$(BIN)/python -m deploy companion $(of_stage) $(given)

deploy-reader: setup ## deploy the reader role into the account of PROFILE, or of your own credentials; SCANNER=… names the account that scans
	@$(BIN)/python -m deploy reader $(of_named_stage) $(given_for_readers)

deploy-readers: setup ## deploy the reader role into every account of UNITS='ou-… r-…', and into those to come
	@$(BIN)/python -m deploy readers $(of_named_stage) $(given_for_readers) $(if $(filter UNITS,$(named)),--units="$$UNITS")

check-member: setup ## tell whether the reader role of ACCOUNT answers the deployed stage, and what it lets a scan read
	@$(BIN)/python -m deploy check-member $(of_named_stage) $(if $(filter ACCOUNT,$(named)),--account="$$ACCOUNT")

destroy: setup ## delete the stack iam-key-age-STAGE; the bucket with its reports stays
	@$(BIN)/python -m deploy destroy $(of_named_stage)

clean: ## remove what was made here
	@rm -rf $(VENV) build out .pytest_cache .mypy_cache .ruff_cache .hypothesis .chalice/deployments
