variable "name" {
  description = "Name of the host and prefix of what belongs to it."
  type        = string
}

variable "role" {
  description = "serve: everything runs here. train: only trainings."
  type        = string

  validation {
    condition     = contains(["serve", "train"], var.role)
    error_message = "role: expected serve or train, got \"${var.role}\"."
  }
}

variable "shutdown" {
  description = "never or after_training; a host that serves: never."
  type        = string
  default     = "never"
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "account_id" {
  description = "AWS account."
  type        = string
}

variable "vpc_id" {
  description = "Network."
  type        = string
}

variable "subnet_id" {
  description = "Subnet of the host."
  type        = string
}

variable "zone" {
  description = "Availability zone of the subnet."
  type        = string
}

variable "instance_type" {
  description = "EC2 type."
  type        = string
}

variable "architecture" {
  description = "x86_64 or arm64."
  type        = string
}

variable "root_volume_gib" {
  description = "System disk in GiB."
  type        = number
}

variable "data_volume_gib" {
  description = "Data disk in GiB."
  type        = number
}

variable "data_snapshot_id" {
  description = "Snapshot a new data disk is made from, or empty."
  type        = string
  default     = ""
}

variable "keep_data_on_destroy" {
  description = "Whether destroying the data disk takes a last snapshot."
  type        = bool
}

variable "snapshots_kept" {
  description = "Daily snapshots kept."
  type        = number
}

variable "fixed_address" {
  description = "Whether the public address stays when the host stops."
  type        = bool
}

variable "ingress" {
  description = "Ports open to blocks of addresses, by a name for the rule."
  type        = map(object({ port = number, cidr_block = string, description = string }))
  default     = {}

  validation {
    condition     = alltrue([for rule in values(var.ingress) : rule.port != 22])
    error_message = "ingress: port 22 stays closed; use `aws ssm start-session`."
  }
}

variable "ingress_from_groups" {
  description = "Ports open to other hosts of the deployment, by a name for the rule."
  type        = map(object({ port = number, group_id = string, description = string }))
  default     = {}
}

variable "parameter_prefix" {
  description = "Path of the deployment's own parameters."
  type        = string
}

variable "secret_arns" {
  description = "ARNs of the secrets the host reads, by name."
  type        = map(string)
}

variable "bucket_arns" {
  description = "ARNs of the buckets the host uses, by purpose."
  type        = map(string)
}

variable "log_groups" {
  description = "Names of the log groups the host writes to: host, containers, commands, probe."
  type        = map(string)
}

variable "topic_arn" {
  description = "SNS topic of the alarms."
  type        = string
}

variable "scripts" {
  description = "Folder with the host's scripts."
  type        = string
}
