variable "name" {
  description = "Name of the deployment: prefix of every resource. Not that of infra/terraform in the same account."
  type        = string
  default     = "aidrug-ecs"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "name: expected 3 to 20 lower-case letters, digits and hyphens, starting with a letter, got \"${var.name}\"."
  }
}

variable "region" {
  description = "AWS region, the one of the buckets."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: expected an AWS region such as \"eu-north-1\", got \"${var.region}\"."
  }
}

variable "cidr_block" {
  description = "Addresses of the network, a /16."
  type        = string
  default     = "10.81.0.0/16"

  validation {
    condition     = can(cidrhost(var.cidr_block, 0)) && endswith(var.cidr_block, "/16")
    error_message = "cidr_block: expected a /16 such as \"10.81.0.0/16\", got \"${var.cidr_block}\"."
  }
}

variable "buckets" {
  description = "Buckets by purpose, as `terraform -chdir=infra/terraform output -json buckets` prints them."
  type        = map(string)

  validation {
    condition     = length(setsubtract(["artifacts", "data", "bundles", "logs"], keys(var.buckets))) == 0
    error_message = "buckets: expected artifacts, data, bundles and logs, got ${join(", ", keys(var.buckets))}. terraform -chdir=infra/terraform output -json buckets"
  }
}

variable "image_repository" {
  description = "Where images are: registry/owner/name, without tag."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+$", var.image_repository))
    error_message = "image_repository: expected registry/owner/name in lower case, without tag, got \"${var.image_repository}\"."
  }
}

variable "image_tag" {
  description = "The revision that runs, a commit's SHA: another one, and `apply`, is a delivery."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{40}$", var.image_tag))
    error_message = "image_tag: expected the 40 digits of a commit, got \"${var.image_tag}\". git rev-parse HEAD"
  }
}

variable "registry_secret_arn" {
  description = "Secret with user name and token of a private registry; empty for a public one and for ECR."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:secretsmanager:.+)?$", var.registry_secret_arn))
    error_message = "registry_secret_arn: expected the ARN of a secret in Secrets Manager (ECS reads no parameter here), got \"${var.registry_secret_arn}\"."
  }
}

variable "architecture" {
  description = "Processor of all tasks: x86_64 or arm64. The images must be built for it."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture: expected x86_64 or arm64, got \"${var.architecture}\"."
  }
}

variable "service_url" {
  description = "Address of the service that follows the bundles, to look whether it did; empty: nobody looks."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(https?://[^/]+)?$", var.service_url))
    error_message = "service_url: expected an address such as \"https://aidrug.example.org\", got \"${var.service_url}\"."
  }
}

variable "step_cpu" {
  description = "Processor units of one step, 1024 for one vCPU: 1024, 2048, 4096, 8192 or 16384."
  type        = number
  default     = 2048

  validation {
    condition     = contains([1024, 2048, 4096, 8192, 16384], var.step_cpu)
    error_message = "step_cpu: expected 1024, 2048, 4096, 8192 or 16384, got ${var.step_cpu}."
  }
}

variable "step_memory" {
  description = "Memory of one step in MiB: two to eight GiB for each vCPU. A transformer on 7,800 molecules takes 3 GB."
  type        = number
  default     = 8192

  validation {
    condition     = var.step_memory % 1024 == 0 && var.step_memory >= 2 * var.step_cpu && var.step_memory <= 8 * var.step_cpu
    error_message = "step_memory: Fargate has ${2 * var.step_cpu} to ${8 * var.step_cpu} MiB for step_cpu = ${var.step_cpu}, in steps of 1024, got ${var.step_memory}."
  }
}

variable "postgres_class" {
  description = "Size of the database server."
  type        = string
  default     = "db.t4g.micro"

  validation {
    condition     = can(regex("^db[.][a-z0-9]+[.][a-z0-9]+$", var.postgres_class))
    error_message = "postgres_class: expected a class such as \"db.t4g.micro\", got \"${var.postgres_class}\"."
  }
}

variable "postgres_gib" {
  description = "Disk of the database server in GiB; it grows by itself to five times that."
  type        = number
  default     = 20

  validation {
    condition     = var.postgres_gib >= 20 && var.postgres_gib <= 1000
    error_message = "postgres_gib: expected 20 to 1000, got ${var.postgres_gib}."
  }
}

variable "password_version" {
  description = "Raise it by one to give the database another password; the services then start anew."
  type        = number
  default     = 1
}

variable "keep_data_on_destroy" {
  description = "Whether the database refuses to be destroyed."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365], var.log_retention_days)
    error_message = "log_retention_days: expected a number that CloudWatch knows (7, 14, 30, 60, 90, ...), got ${var.log_retention_days}."
  }
}

variable "alert_email" {
  description = "Who is told by alarms and the budget. AWS asks this address to confirm once."
  type        = string

  validation {
    condition     = can(regex("^[^@ ]+@[^@ ]+[.][^@ ]+$", var.alert_email))
    error_message = "alert_email: expected an address, got \"${var.alert_email}\"."
  }
}

variable "monthly_budget_usd" {
  description = "Alerts at 50, 80 and 100 % of this many US dollars a month, and when the forecast passes it. AWS counts the whole account, the host of infra/terraform included."
  type        = number
  default     = 250

  validation {
    condition     = var.monthly_budget_usd >= 1
    error_message = "monthly_budget_usd: expected at least 1, got ${var.monthly_budget_usd}."
  }
}

variable "aws_stand_in" {
  description = "Only for the tests: talk to a stand-in for AWS, named by AWS_ENDPOINT_URL."
  type        = bool
  default     = false
}

variable "aws_max_retries" {
  description = "How often a call to AWS is tried again; the tests lower it."
  type        = number
  default     = 25
}
