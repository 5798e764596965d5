variable "name" {
  description = "Prefix of the budget."
  type        = string
}

variable "monthly_usd" {
  description = "US dollars a month, of the whole account: a filter by tag would count nothing until somebody activates the tag for billing."
  type        = number
}

variable "alert_email" {
  description = "Address for e-mails."
  type        = string
}
