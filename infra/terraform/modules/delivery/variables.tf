variable "name" {
  description = "Prefix of the resources."
  type        = string
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "account_id" {
  description = "AWS account."
  type        = string
}

variable "scripts" {
  description = "Folder with the host's scripts."
  type        = string
}

variable "settings" {
  description = "What the host script needs to know of the deployment, by the name of its variable."
  type        = map(string)
}

variable "training_timeout_minutes" {
  description = "Minutes after which a command is ended."
  type        = number
}

variable "github_repository" {
  description = "owner/name."
  type        = string
}

variable "oidc_provider_arn" {
  description = "GitHub's OIDC provider when the account has it, or empty."
  type        = string
}

variable "instance_arns" {
  description = "ARNs of the hosts by role: serve and, where there is one, train."
  type        = map(string)
}

variable "bucket_arns" {
  description = "ARNs of the buckets by purpose; the copy of the ledger is in that of the bundles."
  type        = map(string)
}

variable "secret_arns" {
  description = "ARNs of the secrets by name."
  type        = map(string)
}

variable "log_groups" {
  description = "Names of the log groups: host, containers, commands, which receives the output of commands, and probe."
  type        = map(string)
}
