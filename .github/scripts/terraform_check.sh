#!/bin/sh
# Format, validity and tests of infra/terraform and infra/ecs, without any account: `terraform_check.sh`.
set -eu

cd "$(dirname "$0")/../.."
terraform fmt -check -recursive infra
for folder in infra/terraform infra/terraform/state infra/ecs; do
    [ -d "$folder" ] || continue
    terraform -chdir="$folder" init -backend=false -input=false >/dev/null
    terraform -chdir="$folder" validate
done
terraform -chdir=infra/terraform test
