# Every target makes its virtual environment by itself; all it needs is Python 3.11 or later.
SHELL := bash
PYTHON ?= python3
STAGE ?= dev
API_PORT ?= 8180
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo scan-account serve test unit test-pythons check bench picture reference format lock package may-deploy deploy deploy-statemachine destroy clean

help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-19s %s\n", $$1, $$2}'

setup: ## make the virtual environment with the pinned requirements
	@$(BIN)/python -m deploy.installation check $(VENV) 2>/dev/null || { \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12 …"; exit 1; }; \
	  $(PYTHON) -m deploy.installation make $(VENV); }

demo: setup ## scan a made-up account of 250 users on this machine
	@$(BIN)/python -m localaws scan --previous localaws/accounts/demo-account-before.json --out out/demo

# Only those of make's own command line: other tools have variables of these names, too.
of_command = $(filter command override,$(firstword $(origin $(1))))
named := $(foreach name,EMAIL PARAMETERS PROFILE STAGE TAGS,$(if $(call of_command,$(name)),$(name)))
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

serve: setup ## keep the local AWS running, for clients of the API and the AWS CLI; API_PORT=8180
	@$(BIN)/python -m localaws serve --api-port "$(API_PORT)"

test: setup ## run all tests
	@$(BIN)/python -m pytest

unit: setup ## run the tests that need no local AWS, which takes seconds
	@$(BIN)/python -m pytest tests/unit

test-pythons: ## run all tests on each Python from 3.11 to 3.13 that is here, each in an environment of its own
	@for version in 3.11 3.12 3.13; do \
	  ! python$$version -c "" >/dev/null 2>&1 || $(MAKE) --no-print-directory test VENV=.venv-$$version PYTHON=python$$version || exit 1; done

check: setup $(VENV)/checkov/ready ## lint, types, template and state machine
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m tests.support.lint_definition
	@$(MAKE) --no-print-directory package STAGE=dev
	$(BIN)/python -c 'import sys; from cfnlint.runner import main; sys.exit(main())' build/sam.json
	$(CHECKOV)/bin/python -m checkov.main --config-file .checkov.yaml --file build/sam.json

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

reference: setup ## make the reference in docs/api.md anew, of the OpenAPI document
	@$(BIN)/python -m tests.support.api_reference

format: setup ## format the code
	@$(BIN)/python -m ruff check --fix --quiet . ; $(BIN)/python -m ruff format --quiet .

lock: setup ## pin and hash the requirements*.txt anew from their .in files
	@for name in requirements requirements-dev requirements-checkov; do \
	  $(BIN)/python -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet $$name.in -o $$name.txt || exit 1; done

package: setup ## make build/sam.json and build/deployment.zip for STAGE
	@$(BIN)/python -m deploy.package "$$STAGE"

# The user's own AWS CLI if there is one, else the pinned one.
AWS := $(if $(shell command -v aws 2>/dev/null),aws,$(BIN)/python -m awscli)
STACK := iam-key-age-$$STAGE
# The Region of the environment or the profile; under the name that every version of the AWS CLI reads.
REGION := region=$${AWS_REGION:-$${AWS_DEFAULT_REGION:-$$($(AWS) configure get region || true)}}; \
	[ -n "$$region" ] || { echo "No Region is set: export AWS_REGION=… (or AWS_DEFAULT_REGION), or run: aws configure"; exit 1; }; \
	export AWS_DEFAULT_REGION=$$region

# What a person wrote is read by Python, never by the shell.
GIVEN := "$(if $(filter PARAMETERS,$(named)),$$PARAMETERS)" $(if $(filter EMAIL,$(named)),"NotificationEmail=$$EMAIL")
# An account lets API Gateway write logs by a role, one a Region; where there is none yet, the stack makes it.
LOGS_ROLE := role=$$($(AWS) apigateway get-account --query cloudwatchRoleArn --output text); \
	[ "$$role" != None ] || logs_role=ApiGatewayLogsRole=create

# Checked before anything is made or changed, each with a word of what to do.
may-deploy: setup
	@$(BIN)/python -m deploy.settings --deployable "$$STAGE"
	@set -euo pipefail; \
	$(AWS) --version >/dev/null 2>&1 || { echo "The AWS CLI does not start: $$(command -v $(AWS))"; exit 1; }; \
	$(REGION); \
	caller=$$($(AWS) sts get-caller-identity --query Arn --output text) || \
	  { echo "AWS takes no credentials from here: log in (aws sso login, aws configure), or export AWS_PROFILE=…"; exit 1; }; \
	echo "Deploying $(STACK) in $$region as $$caller"

# Uploads what a template refers to, and deploys it as the stage's stack.
define DEPLOY_TEMPLATE
kept=$$($(AWS) cloudformation describe-stacks --stack-name "$(STACK)" --query 'Stacks[0].Parameters' --output json 2>/dev/null || echo '[]'); \
	assigned=$$($(BIN)/python -m deploy.parameters "$$STAGE" $(1) "$$kept" $(GIVEN) $${logs_role:-}); \
	overrides=(); while IFS= read -r one; do [ -z "$$one" ] || overrides+=("$$one"); done <<< "$$assigned"; \
	kept=$$($(AWS) cloudformation describe-stacks --stack-name "$(STACK)" --query 'Stacks[0].Tags' --output json 2>/dev/null || echo '[]'); \
	tagged=$$($(BIN)/python -m deploy.tags "$$kept" "$(if $(filter TAGS,$(named)),$$TAGS)"); \
	tags=(); while IFS= read -r one; do [ -z "$$one" ] || tags+=("$$one"); done <<< "$$tagged"; \
	bucket=$$($(BIN)/python -m deploy.uploads_bucket); \
	$(AWS) cloudformation package --template-file $(1) --s3-bucket $$bucket \
	  --use-json --output-template-file build/packaged.json >/dev/null; \
	$(AWS) cloudformation deploy --template-file build/packaged.json --stack-name "$(STACK)" \
	  --s3-bucket $$bucket --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --no-fail-on-empty-changeset \
	  $${overrides[@]+--parameter-overrides "$${overrides[@]}"} $${tags[@]+--tags "$${tags[@]}"}
endef

deploy: may-deploy package ## deploy the stack iam-key-age-STAGE; EMAIL=… subscribes an address, PARAMETERS='NotifyOn=changes …', TAGS='team=security …'
	@set -euo pipefail; $(REGION); $(BIN)/python -m deploy.companion check "$$STAGE" one-stack; \
	$(LOGS_ROLE); \
	$(call DEPLOY_TEMPLATE,build/sam.json); \
	$(AWS) cloudformation describe-stacks --stack-name "$(STACK)" --query 'Stacks[0]' --output json | \
	  $(BIN)/python -m deploy.next_steps build/sam.json

deploy-statemachine: may-deploy ## after `chalice deploy --stage STAGE`: deploy all but the functions beside them
	@set -euo pipefail; $(REGION); $(BIN)/python -m deploy.companion check "$$STAGE" companion; \
	$(BIN)/python -m deploy.companion template "$$STAGE" build/companion.json; \
	$(call DEPLOY_TEMPLATE,build/companion.json); \
	$(BIN)/python -m deploy.companion wire "$$STAGE"

destroy: setup ## delete the stack iam-key-age-STAGE; the bucket with its reports stays
	@$(if $(filter STAGE,$(named)),:,echo "Which one? make destroy STAGE=…"; exit 1)
	@$(BIN)/python -m deploy.settings --name "$$STAGE"
	@set -euo pipefail; $(REGION); \
	bucket=$$($(AWS) cloudformation list-stack-resources --stack-name "$(STACK)" --output text \
	  --query "StackResourceSummaries[?LogicalResourceId=='ReportsBucket'].PhysicalResourceId") || \
	  { echo "There is no stack $(STACK) in $$region that these credentials can see"; exit 1; }; \
	echo "Deleting $(STACK) in $$region …"; \
	$(AWS) cloudformation delete-stack --stack-name "$(STACK)"; \
	$(AWS) cloudformation wait stack-delete-complete --stack-name "$(STACK)"; \
	echo "Deleted $(STACK)."; \
	[ "$${bucket:-None}" = None ] || printf '%s\n' "Its reports stay in s3://$$bucket, with all their versions. When no audit needs them:" \
	  "empty the bucket in the S3 console (Empty takes the versions, too), then: aws s3 rb s3://$$bucket"

clean: ## remove what was made here
	@rm -rf $(VENV) build out .pytest_cache .mypy_cache .ruff_cache .hypothesis .chalice/deployments
