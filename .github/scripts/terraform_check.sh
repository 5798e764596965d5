#!/bin/sh
# Format, validity and tests of infra/terraform, without any account: `terraform_check.sh`.
set -eu

cd "$(dirname "$0")/../.."
terraform -chdir=infra/terraform fmt -check -recursive
for folder in infra/terraform infra/terraform/state; do
    [ -d "$folder" ] || continue
    terraform -chdir="$folder" init -backend=false -input=false >/dev/null
    terraform -chdir="$folder" validate
done
terraform -chdir=infra/terraform test
