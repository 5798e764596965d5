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

variable "bundles_bucket_arn" {
  description = "ARN of the bucket in which the copy of the ledger lies."
  type        = string
}

variable "command_log_group" {
  description = "Log group that receives the output of commands."
  type        = string
}
