output "log_groups" {
  description = "Names of the log groups: host, commands, containers, probe."
  value       = { for purpose, group in aws_cloudwatch_log_group.this : purpose => group.name }
}

output "topic_arn" {
  description = "SNS topic of the alarms."
  value       = aws_sns_topic.alerts.arn
}
