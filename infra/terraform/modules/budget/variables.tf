variable "name" {
  description = "Prefix of the budget."
  type        = string
}

variable "monthly_usd" {
  description = "US dollars a month, of the whole account: AWS counts by account unless cost tags are activated."
  type        = number
}

variable "alert_email" {
  description = "Address for e-mails."
  type        = string
}
