variable "name" {
  description = "Prefix of the resources."
  type        = string
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "zones" {
  description = "Availability zones, a subnet in each."
  type        = list(string)
}

variable "cidr_block" {
  description = "Addresses of the network, a /16."
  type        = string
  default     = "10.20.0.0/16"
}
