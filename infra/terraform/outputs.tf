output "region" {
  description = "AWS_REGION of the driver."
  value       = var.region
}

output "instance_id" {
  description = "AIDRUG_INSTANCE_ID of the driver: the host that serves."
  value       = module.host.instance_id
}

output "training_instance_id" {
  description = "AIDRUG_TRAINING_INSTANCE_ID of the driver: the host that only trains, or empty."
  value       = local.trains_elsewhere ? module.training_host[0].instance_id : ""
}

output "document" {
  description = "AIDRUG_DOCUMENT of the driver: the SSM document."
  value       = module.delivery.document_name
}

output "role_arn" {
  description = "AWS_ROLE_ARN of the delivery workflow."
  value       = module.delivery.role_arn
}

output "reader_role_arn" {
  description = "AWS_READER_ROLE_ARN of continuous integration, which plans against production's ledger."
  value       = module.delivery.reader_role_arn
}

output "planner_role_arn" {
  description = "AWS_PLANNER_ROLE_ARN of the workflow that plans a pull request's change of the infrastructure."
  value       = module.delivery.planner_role_arn
}

output "state_bucket" {
  description = "TF_STATE_BUCKET of the same workflow."
  value       = local.state_bucket
}

output "ledger" {
  description = "AIDRUG_LEDGER of continuous integration."
  value       = "s3://${module.storage.buckets["bundles"]}/ledger"
}

output "buckets" {
  description = "Buckets by purpose; `aidrug data remote s3://<data bucket>/dvc` makes one DVC's remote."
  value       = module.storage.buckets
}

output "address" {
  description = "Where the service is."
  value       = var.domain_name == "" ? module.host.public_ip : var.domain_name
}

output "data_volume_id" {
  description = "The data disk, for a restore."
  value       = module.host.data_volume_id
}

output "next_steps" {
  description = "What to do next; copy line by line."
  value       = <<-STEPS
    # 1. The registry's token, read from the terminal, kept by nobody else (GHCR: a classic token with read:packages):
    read -rs TOKEN && aws ssm put-parameter --region ${var.region} --overwrite --type SecureString --name ${var.registry_token_parameter} --value "$TOKEN"; unset TOKEN
    # 2. The admin token, which the service does not start without; its holder may do everything, so keep it to yourself:
    aws ssm put-parameter --region ${var.region} --overwrite --type SecureString --name ${local.admin_token} --value "$(openssl rand -hex 32)"
    # 3. Where DVC keeps measurements (only if you track some), then commit .dvc/config:
    aidrug data remote s3://${module.storage.buckets["data"]}/dvc
    # 4. What the delivery workflow needs to know (no secret among it):
    gh variable set AWS_REGION --body ${var.region}
    gh variable set AWS_ROLE_ARN --body ${module.delivery.role_arn}
    gh variable set AWS_READER_ROLE_ARN --body ${module.delivery.reader_role_arn}
    gh variable set AWS_PLANNER_ROLE_ARN --body ${module.delivery.planner_role_arn}
    gh variable set TF_STATE_BUCKET --body ${local.state_bucket}
    gh variable set AIDRUG_LEDGER --body s3://${module.storage.buckets["bundles"]}/ledger
    gh variable set AIDRUG_INSTANCE_ID --body ${module.host.instance_id}
    gh variable set AIDRUG_DOCUMENT --body ${module.delivery.document_name}
    gh variable set AIDRUG_TRAINING_INSTANCE_ID --body "${local.trains_elsewhere ? module.training_host[0].instance_id : "none"}"
    # 5. The same from your machine:
    export AWS_REGION=${var.region} AIDRUG_INSTANCE_ID=${module.host.instance_id} AIDRUG_DOCUMENT=${module.delivery.document_name} AIDRUG_TRAINING_INSTANCE_ID=${local.trains_elsewhere ? module.training_host[0].instance_id : "none"}
    aidrug host status
    # 6. Push to ${var.github_branch}, or deploy images that are in ${var.image_repository}:
    aidrug deploy
    # 7. Confirm the e-mail that AWS sent to ${var.alert_email}: without it no alarm reaches you.
  STEPS
}
