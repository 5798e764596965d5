locals {
  # What the driver needs to know, for a person's shell: nothing that a training there would write to. No secret among it.
  settings = {
    AWS_REGION                  = var.region
    AIDRUG_INSTANCE_ID          = module.host.instance_id
    AIDRUG_TRAINING_INSTANCE_ID = local.trains_elsewhere ? module.training_host[0].instance_id : "none"
    AIDRUG_DOCUMENT             = module.delivery.document_name
    AIDRUG_TIMEOUT_MINUTES      = var.training_timeout_minutes
  }
  # What the workflows need beside it: the roles that they assume, production's ledger, which one of them reads, and the
  # proxy's image, which one of them scans.
  workflow_settings = merge(local.settings, {
    AWS_ROLE_ARN        = module.delivery.role_arn
    AWS_READER_ROLE_ARN = module.delivery.reader_role_arn
    AIDRUG_LEDGER       = "s3://${module.storage.buckets["bundles"]}/ledger"
    CADDY_IMAGE         = var.proxy_image
  })
}

output "settings" {
  description = "Variables of `aidrug deploy` and `aidrug host` for your shell, one a line. They change when an apply replaces a host."
  value       = join("", [for name, value in local.settings : "${name}=${value}\n"])
}

output "workflow_settings" {
  description = "Variables of the workflows, one a line, for the repository on GitHub alone. They change when an apply replaces a host."
  value       = join("", [for name, value in local.workflow_settings : "${name}=${value}\n"])
}

output "address" {
  description = "Address of the service."
  value       = local.address
}

output "next_steps" {
  description = "What to do next; copy line by line."
  value       = <<-STEPS
    # 1. The registry's token, read from the terminal, kept by nobody else (GHCR: a classic token with read:packages):
    read -rs TOKEN && aws ssm put-parameter --region ${var.region} --overwrite --type SecureString --name ${var.registry_token_parameter} --value "$TOKEN"; unset TOKEN
    # 2. The admin token, which the service does not start without; its holder may do everything, so keep it to yourself:
    aws ssm put-parameter --region ${var.region} --overwrite --type SecureString --name ${local.admin_token} --value "$(openssl rand -hex 32)"
    # 3. Where DVC keeps measurements (only if you track some), then commit .dvc/config:
    .venv/bin/aidrug data remote s3://${module.storage.buckets["data"]}/dvc
    # 4. What the workflows need to know, and what your machine does; repeat it whenever a host was replaced:
    terraform -chdir=infra/terraform output -raw workflow_settings | gh variable set --env-file -
    set -a; eval "$(terraform -chdir=infra/terraform output -raw settings)"; set +a
    .venv/bin/aidrug host status
    # 5. Protect main (docs/operations/first-deployment.md), then merge to it, or deploy images that are in ${var.image_repository}:
    .venv/bin/aidrug deploy
    # 6. Confirm the e-mail that AWS sent to ${var.alert_email}: without it no alarm reaches you.
  STEPS
}
