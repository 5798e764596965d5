variable "name" {
  description = "Prefix of the resources."
  type        = string
}

variable "namespace" {
  description = "Namespace of the numbers that are counted in logs, and of alarms that name none."
  type        = string
}

variable "alert_email" {
  description = "Who is told."
  type        = string
}

variable "counted" {
  description = "Numbers taken out of logs, by name: which lines of which log group, and the number in them, else 1 each."
  type = map(object({
    log_group = string
    pattern   = string
    value     = optional(string, "1")
  }))
}

variable "alarms" {
  description = "What is watched, by name: above or below which value, and what a period without a number means (missing)."
  type = map(object({
    text       = string
    metric     = string
    namespace  = optional(string)
    dimensions = optional(map(string), {})
    statistic  = optional(string, "Sum")
    period     = optional(number, 300)
    periods    = optional(number, 1)
    above      = optional(number)
    below      = optional(number)
    missing    = optional(string, "notBreaching")
    actions    = optional(list(string), [])
  }))

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : (alarm.above == null) != (alarm.below == null)])
    error_message = "alarms: expected either above or below in each, got both or neither in ${join(", ", [for name, alarm in var.alarms : name if(alarm.above == null) == (alarm.below == null)])}."
  }
}
