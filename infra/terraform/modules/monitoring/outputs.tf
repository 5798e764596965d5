output "log_groups" {
  description = "Names of the log groups: host, commands, containers, probe."
  value       = { for purpose, group in aws_cloudwatch_log_group.this : purpose => group.name }
}

output "topic_arn" {
  description = "SNS topic that is told."
  value       = module.alarms.topic_arn
}

output "dashboard" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}
