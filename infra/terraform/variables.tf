variable "name" {
  description = "Name of the deployment: prefix of every resource."
  type        = string
  default     = "aidrug"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "name: expected 3 to 20 lower-case letters, digits and hyphens, starting with a letter, got \"${var.name}\". Bucket names start with it."
  }
}

variable "region" {
  description = "AWS region. Everything is there, backups and snapshots included; no runbook moves a deployment to another one."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: expected an AWS region such as \"eu-north-1\", got \"${var.region}\"."
  }
}

variable "zone_letter" {
  description = "Availability zone within the region. The data disk cannot leave its zone: docs/operations/disaster-recovery.md describes how to change it."
  type        = string
  default     = "a"

  validation {
    condition     = can(regex("^[a-f]$", var.zone_letter))
    error_message = "zone_letter: expected one letter from a to f, got \"${var.zone_letter}\"."
  }
}

variable "github_repository" {
  description = "The repository whose workflow may deploy, as owner/name or with its IDs, owner@1/name@2: repositories made, renamed or moved since July 2026 sign with them."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9](-?[A-Za-z0-9])*(/[A-Za-z0-9._-]+|@[1-9][0-9]*/[A-Za-z0-9._-]+@[1-9][0-9]*)$", var.github_repository))
    error_message = "github_repository: expected owner/name or owner@1/name@2 without wildcards, got \"${var.github_repository}\"."
  }
}

variable "github_oidc_provider_arn" {
  description = "ARN of GitHub's OIDC provider when the account already has it (an account can have only one); empty to make it."
  type        = string
  default     = ""
}

variable "image_repository" {
  description = "Where images are: registry/owner/name, without tag."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+$", var.image_repository))
    error_message = "image_repository: expected registry/owner/name in lower case, without tag, got \"${var.image_repository}\"."
  }
}

variable "instance_type" {
  description = "EC2 type of the serving host, with at least 8 GB of memory: MLflow, Dagster and a training share it."
  type        = string
  default     = "t3.large"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*[.][a-z0-9-]+$", var.instance_type))
    error_message = "instance_type: expected a type such as \"t3.large\", got \"${var.instance_type}\"."
  }
}

variable "architecture" {
  description = "Processor of the serving host: x86_64 or arm64. The images must be built for it."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture: expected x86_64 or arm64, got \"${var.architecture}\"."
  }
}

variable "root_volume_gib" {
  description = "System disk in GiB, with the images of two revisions."
  type        = number
  default     = 40

  validation {
    condition     = var.root_volume_gib >= 30 && var.root_volume_gib <= 1000
    error_message = "root_volume_gib: expected 30 to 1000, got ${var.root_volume_gib}. Two revisions of the images need 15 GiB."
  }
}

variable "data_volume_gib" {
  description = "Data disk in GiB, mounted at /var/lib/aidrug; it survives the replacement of the host. It can grow, never shrink."
  type        = number
  default     = 50

  validation {
    condition     = var.data_volume_gib >= 10 && var.data_volume_gib <= 16000
    error_message = "data_volume_gib: expected 10 to 16000, got ${var.data_volume_gib}."
  }
}

variable "data_snapshot_id" {
  description = "Snapshot from which a new data disk is made; empty for an empty disk. An existing disk is never replaced because of it."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(snap-[0-9a-f]+)?$", var.data_snapshot_id))
    error_message = "data_snapshot_id: expected an ID such as \"snap-0123456789abcdef0\", got \"${var.data_snapshot_id}\"."
  }
}

variable "keep_data_on_destroy" {
  description = "Whether `terraform destroy` takes a last snapshot of the data disk (decided when the disk is made) and refuses to delete buckets that are not empty."
  type        = bool
  default     = true
}

variable "service_allowlist" {
  description = "CIDR blocks that reach the service on port 443 (and 80, which redirects). Empty: nobody."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for block in var.service_allowlist : can(cidrhost(block, 0))])
    error_message = "service_allowlist: expected CIDR blocks such as \"203.0.113.10/32\", got ${jsonencode(var.service_allowlist)}."
  }
  validation {
    condition = var.open_to_the_whole_internet || alltrue([
      for block in var.service_allowlist : tonumber(try(split("/", block)[1], 0)) >= (strcontains(block, ":") ? 16 : 8)
    ])
    error_message = "service_allowlist opens the service to the whole internet. If that is meant, confirm it: open_to_the_whole_internet = true."
  }
}

variable "open_to_the_whole_internet" {
  description = "Confirm that the service is for everybody. Needed for 0.0.0.0/0 in service_allowlist, and for nothing else."
  type        = bool
  default     = false
}

variable "ui_allowlist" {
  description = "CIDR blocks that reach the Dagster and MLflow UIs (ports 3000 and 5000, plain HTTP, no login). Empty: nobody; `aidrug host status` prints how to reach them through SSM instead."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for block in var.ui_allowlist : can(cidrhost(block, 0))])
    error_message = "ui_allowlist: expected CIDR blocks such as \"203.0.113.10/32\", got ${jsonencode(var.ui_allowlist)}."
  }
  validation {
    condition = alltrue([
      for block in var.ui_allowlist : tonumber(try(split("/", block)[1], 0)) >= (strcontains(block, ":") ? 48 : 16)
    ])
    error_message = "ui_allowlist: the UIs have no login, so a block wider than /16 is refused, got ${jsonencode(var.ui_allowlist)}. Use SSM port forwarding."
  }
}

variable "domain_name" {
  description = "Name of the service, for its certificate; empty for none. Let's Encrypt signs it if 0.0.0.0/0 is on the allowlist, since it must reach ports 80 and 443; otherwise the proxy does."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([a-z0-9-]+([.][a-z0-9-]+)+)?$", var.domain_name))
    error_message = "domain_name: expected a host name such as \"aidrug.example.com\", got \"${var.domain_name}\"."
  }
}

variable "proxy_image" {
  description = "Image of the proxy, the only container that the internet reaches. Pin it by digest: docs/operations/README.md names the command that prints it."
  type        = string
  default     = "caddy:2.11-alpine"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._/-]*(:[0-9]+/[a-z0-9._/-]+)?(:[A-Za-z0-9._-]+)?(@sha256:[0-9a-f]{64})?$", var.proxy_image))
    error_message = "proxy_image: expected an image such as \"caddy:2.11-alpine\" or \"caddy:2.11-alpine@sha256:...\", got \"${var.proxy_image}\"."
  }
}

variable "hosted_zone_id" {
  description = "Route 53 zone in which to make domain_name; empty when the name is kept elsewhere."
  type        = string
  default     = ""

  validation {
    condition     = var.hosted_zone_id == "" || var.domain_name != ""
    error_message = "hosted_zone_id is set but domain_name is not: which name should be made in the zone?"
  }
}

variable "alert_email" {
  description = "Address for e-mails of the alarms and the budget. AWS asks it to confirm once."
  type        = string

  validation {
    condition     = can(regex("^[^@ ]+@[^@ ]+[.][^@ ]+$", var.alert_email))
    error_message = "alert_email: expected an address, got \"${var.alert_email}\"."
  }
}

variable "monthly_budget_usd" {
  description = "Alerts at 50, 80 and 100 % of this many US dollars a month, and when the forecast passes it. AWS counts everything in the account, with tax. Half of the default is more than an idle month of the example."
  type        = number
  default     = 250

  validation {
    condition     = var.monthly_budget_usd >= 1
    error_message = "monthly_budget_usd: expected at least 1, got ${var.monthly_budget_usd}."
  }
}

variable "registry_token_parameter" {
  description = "Name of the SecureString with the registry's read-only token. Terraform makes it with a placeholder; you set the value."
  type        = string
  default     = "/ghcr/ro-token"

  validation {
    condition     = can(regex("^(/[a-zA-Z0-9_.-]+)+$", var.registry_token_parameter))
    error_message = "registry_token_parameter: expected a name such as \"/ghcr/ro-token\", got \"${var.registry_token_parameter}\"."
  }
}

variable "registry_user" {
  description = "User that the registry token belongs to; GHCR takes any non-empty name."
  type        = string
  default     = "aidrug"

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]+$", var.registry_user))
    error_message = "registry_user: expected a user name, got \"${var.registry_user}\"."
  }
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps logs."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days: CloudWatch knows 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 and 731, got ${var.log_retention_days}."
  }
}

variable "snapshots_kept" {
  description = "Daily snapshots of the data disk that are kept."
  type        = number
  default     = 7

  validation {
    condition     = var.snapshots_kept >= 1 && var.snapshots_kept <= 365
    error_message = "snapshots_kept: expected 1 to 365, got ${var.snapshots_kept}."
  }
}

variable "service_workers" {
  description = "Processes that answer requests: one per processor at most."
  type        = number
  default     = 1

  validation {
    condition     = var.service_workers >= 1 && var.service_workers <= 64 && floor(var.service_workers) == var.service_workers
    error_message = "service_workers: expected a whole number from 1 to 64, got ${var.service_workers}."
  }
}

variable "service_memory_mib" {
  description = "Memory that the service may take, all its workers together, in MiB; a quarter of it is for models. A training gets less of the host by what is above 1500."
  type        = number
  default     = 1500

  validation {
    condition     = var.service_memory_mib >= 700 * var.service_workers && floor(var.service_memory_mib) == var.service_memory_mib
    error_message = "service_memory_mib: expected a whole number, at least 700 for each of ${var.service_workers} workers, got ${var.service_memory_mib}."
  }
}

variable "rate_per_minute" {
  description = "Requests that one key or address may send to the service in a minute; 0 for no limit."
  type        = number
  default     = 600

  validation {
    condition     = var.rate_per_minute >= 0 && var.rate_per_minute <= 10000000 && floor(var.rate_per_minute) == var.rate_per_minute
    error_message = "rate_per_minute: expected a whole number from 0 to 10000000, got ${var.rate_per_minute}."
  }
}

variable "training_timeout_minutes" {
  description = "A delivery (pull, training, swap) that takes longer is ended and counts as failed. Runs of Dagster have the same limit."
  type        = number
  default     = 240

  validation {
    condition     = var.training_timeout_minutes >= 10 && var.training_timeout_minutes <= 330
    error_message = "training_timeout_minutes: expected 10 to 330, got ${var.training_timeout_minutes}. A job on GitHub's machines ends after 360, and so does the role it assumes."
  }
}

variable "training_host" {
  description = "A second host that only trains, so that the serving host can stay small; null for none. shutdown: never, or after_training (`aidrug deploy` stops it, or else an idle alarm)."
  type = object({
    instance_type   = string
    architecture    = optional(string, "x86_64")
    data_volume_gib = optional(number, 50)
    shutdown        = optional(string, "after_training")
  })
  default = null

  validation {
    condition     = try(contains(["never", "after_training"], var.training_host.shutdown), var.training_host == null)
    error_message = "training_host.shutdown: expected never or after_training. A host that serves has no such setting: it is never shut down."
  }
  validation {
    condition     = try(contains(["x86_64", "arm64"], var.training_host.architecture), var.training_host == null)
    error_message = "training_host.architecture: expected x86_64 or arm64."
  }
}

variable "aws_stand_in" {
  description = "Only for the tests: talk to a stand-in for AWS, named by AWS_ENDPOINT_URL."
  type        = bool
  default     = false
}
