#!/bin/sh
# Format, validity and tests of infra/terraform, without any account: `terraform_check.sh`.
set -eu

cd "$(dirname "$0")/../.."
terraform fmt -check -recursive infra
for folder in infra/terraform infra/terraform/state; do
    terraform -chdir="$folder" init -backend=false -input=false >/dev/null
    terraform -chdir="$folder" validate
done
terraform -chdir=infra/terraform test
