output "topic_arn" {
  description = "SNS topic that is told."
  value       = aws_sns_topic.alerts.arn
}

output "alarm_arns" {
  description = "The alarms, in order of their names."
  value       = [for name in sort(keys(var.alarms)) : aws_cloudwatch_metric_alarm.this[name].arn]
}
