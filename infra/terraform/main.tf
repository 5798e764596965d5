data "aws_caller_identity" "this" {}

locals {
  scripts          = "${path.module}/../host"
  parameter_prefix = "/${var.name}"
  admin_token      = "${local.parameter_prefix}/admin-token"
  zone             = "${var.region}${var.zone_letter}"
  trains_elsewhere = var.training_host != null
  address          = coalesce(var.domain_name, module.host.public_ip)
  # Let's Encrypt must reach the host from wherever it happens to be; behind an allowlist the proxy signs by itself.
  certificates = var.domain_name != "" && contains(var.service_allowlist, "0.0.0.0/0") ? var.alert_email : "internal"

  service_ports = { https = 443, http = 80 }
  ui_ports      = { dagster = 3000, mlflow = 5000 }
  ingress = merge(
    { for pair in setproduct(keys(local.service_ports), var.service_allowlist) : "${pair[0]}-${pair[1]}" => {
      port = local.service_ports[pair[0]], cidr_block = pair[1], description = "service, ${pair[0]}"
    } },
    { for pair in setproduct(keys(local.ui_ports), var.ui_allowlist) : "${pair[0]}-${pair[1]}" => {
      port = local.ui_ports[pair[0]], cidr_block = pair[1], description = "UI of ${pair[0]}"
    } },
  )
}

module "network" {
  source = "./modules/network"

  name   = var.name
  region = var.region
  zones  = [local.zone]
}

module "storage" {
  source = "./modules/storage"

  name                 = var.name
  keep_data_on_destroy = var.keep_data_on_destroy
}

module "parameters" {
  source = "./modules/parameters"

  secrets = {
    (var.registry_token_parameter) = "Read-only token of the image registry (GHCR: scope read:packages)"
    (local.admin_token)            = "Admin token of the service: its holder may do everything"
  }
}

module "monitoring" {
  source = "./modules/monitoring"

  name               = var.name
  region             = var.region
  alert_email        = var.alert_email
  log_retention_days = var.log_retention_days
  instance_id        = module.host.instance_id
}

module "budget" {
  source = "./modules/budget"

  name        = var.name
  monthly_usd = var.monthly_budget_usd
  alert_email = var.alert_email
}

module "host" {
  source = "./modules/host"

  name                 = var.name
  role                 = "serve"
  region               = var.region
  account_id           = data.aws_caller_identity.this.account_id
  vpc_id               = module.network.vpc_id
  subnet_id            = module.network.subnet_ids[local.zone]
  zone                 = local.zone
  instance_type        = var.instance_type
  architecture         = var.architecture
  root_volume_gib      = var.root_volume_gib
  data_volume_gib      = var.data_volume_gib
  data_snapshot_id     = var.data_snapshot_id
  keep_data_on_destroy = var.keep_data_on_destroy
  snapshots_kept       = var.snapshots_kept
  fixed_address        = true # a name or a client's bookmark outlives a stop
  ingress              = local.ingress
  ingress_from_groups = local.trains_elsewhere ? { mlflow = {
    port = 5000, group_id = module.training_host[0].security_group_id, description = "MLflow for the training host"
  } } : {}
  parameter_prefix = local.parameter_prefix
  secret_arns      = module.parameters.arns
  bucket_arns      = module.storage.arns
  log_groups       = module.monitoring.log_groups
  topic_arn        = module.monitoring.topic_arn
  scripts          = local.scripts
}

module "training_host" {
  count  = local.trains_elsewhere ? 1 : 0
  source = "./modules/host"

  name                 = "${var.name}-train"
  role                 = "train"
  shutdown             = var.training_host.shutdown
  region               = var.region
  account_id           = data.aws_caller_identity.this.account_id
  vpc_id               = module.network.vpc_id
  subnet_id            = module.network.subnet_ids[local.zone]
  zone                 = local.zone
  instance_type        = var.training_host.instance_type
  architecture         = var.training_host.architecture
  root_volume_gib      = var.root_volume_gib
  data_volume_gib      = var.training_host.data_volume_gib
  keep_data_on_destroy = false # what it makes is kept by MLflow
  snapshots_kept       = 1
  fixed_address        = false
  parameter_prefix     = local.parameter_prefix
  secret_arns          = { (var.registry_token_parameter) = module.parameters.arns[var.registry_token_parameter] }
  bucket_arns          = { for purpose in ["artifacts", "data", "logs"] : purpose => module.storage.arns[purpose] }
  log_groups           = module.monitoring.log_groups
  topic_arn            = module.monitoring.topic_arn
  scripts              = local.scripts
}

module "delivery" {
  source = "./modules/delivery"

  name                     = var.name
  region                   = var.region
  account_id               = data.aws_caller_identity.this.account_id
  scripts                  = local.scripts
  training_timeout_minutes = var.training_timeout_minutes
  github_repository        = var.github_repository
  oidc_provider_arn        = var.github_oidc_provider_arn
  log_groups               = module.monitoring.log_groups
  bucket_arns              = module.storage.arns
  secret_arns              = module.parameters.arns
  instance_arns = merge(
    { serve = module.host.instance_arn },
    local.trains_elsewhere ? { train = module.training_host[0].instance_arn } : {},
  )
  settings = {
    AWS_REGION               = var.region
    IMAGE_REPO               = var.image_repository
    REGISTRY_USER            = var.registry_user
    REGISTRY_TOKEN_PARAMETER = var.registry_token_parameter
    ADMIN_TOKEN_PARAMETER    = local.admin_token
    ARTIFACTS_BUCKET         = module.storage.buckets["artifacts"]
    DATA_BUCKET              = module.storage.buckets["data"]
    BUNDLES_BUCKET           = module.storage.buckets["bundles"]
    LOGS_BUCKET              = module.storage.buckets["logs"]
    BACKUPS_BUCKET           = module.storage.buckets["backups"]
    DOMAIN_NAME              = var.domain_name
    ADDRESS                  = module.host.public_ip
    CERTIFICATES             = local.certificates
    CADDY_IMAGE              = var.proxy_image
    AIDRUG_TIMEOUT_MINUTES   = tostring(var.training_timeout_minutes)
    SERVICE_WORKERS          = tostring(var.service_workers)
    SERVICE_MEMORY           = "${var.service_memory_mib}m"
    RATE_PER_MINUTE          = tostring(var.rate_per_minute)
    UI_BIND                  = local.trains_elsewhere || length(var.ui_allowlist) > 0 ? "0.0.0.0" : "127.0.0.1" # the security group decides
    MLFLOW_HOST              = module.host.private_ip
    MLFLOW_HOSTS = join(",", concat(
      local.trains_elsewhere ? ["${module.host.private_ip}:5000"] : [],
      length(var.ui_allowlist) > 0 ? ["${module.host.public_ip}:5000"] : [],
    ))
  }
}

resource "aws_route53_record" "service" {
  count   = var.hosted_zone_id == "" ? 0 : 1
  zone_id = var.hosted_zone_id
  name    = var.domain_name
  type    = "A"
  ttl     = 300
  records = [module.host.public_ip]
}
