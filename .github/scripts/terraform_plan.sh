#!/bin/sh
# What a change would do to the infrastructure, into the summary of the workflow.
#
# TF_STATE_BUCKET, AWS_REGION  where Terraform's state is
# TFVARS                       content of terraform.tfvars: addresses and sizes, no secret
set -eu

cd "$(dirname "$0")/../.."
summary=${GITHUB_STEP_SUMMARY:-/dev/stdout}
[ -n "${TF_STATE_BUCKET:-}" ] || { echo "the repository variable TF_STATE_BUCKET is not set" >&2; exit 1; }
[ -n "${TFVARS:-}" ] || { echo "the repository variable TFVARS is not set: the content of terraform.tfvars" >&2; exit 1; }
printf '%s\n' "$TFVARS" >infra/terraform/ci.auto.tfvars
terraform -chdir=infra/terraform init -input=false -backend-config="bucket=$TF_STATE_BUCKET" \
    -backend-config="region=$AWS_REGION" -backend-config=key=aidrug/terraform.tfstate >/dev/null
code=0
# Without the lock, since a role that may change nothing cannot take it; against the state and not the account, since
# reading the account would read its secrets. What was changed by hand shows when the change is applied.
terraform -chdir=infra/terraform plan -input=false -lock=false -refresh=false -no-color -detailed-exitcode >plan.txt || code=$?
{
    echo "## Terraform plan"
    echo
    echo '```'
    grep -E '^(  # |Plan: |No changes)' plan.txt || tail -n 40 plan.txt
    echo '```'
} >>"$summary"
cat plan.txt
[ "$code" = 0 ] || [ "$code" = 2 ]
