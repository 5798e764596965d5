variable "name" {
  description = "Prefix of the resources."
  type        = string
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "alert_email" {
  description = "Address for e-mails."
  type        = string
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
}

variable "instance_id" {
  description = "The host that is watched."
  type        = string
}
