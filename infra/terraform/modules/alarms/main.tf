# Who is told, and of what: numbers counted in logs, alarms on these and on AWS's own numbers, one topic, one address.

resource "aws_sns_topic" "alerts" {
  # checkov:skip=CKV_AWS_26:CloudWatch may not publish to a topic under the account's default key, and a customer key costs money
  name = "${var.name}-alerts"
}

resource "aws_sns_topic_subscription" "email" {
  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = var.alert_email
}

resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each       = var.counted
  name           = "${var.name}-${each.key}"
  log_group_name = each.value.log_group
  pattern        = each.value.pattern

  metric_transformation {
    namespace = var.namespace
    name      = each.key
    value     = each.value.value
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = var.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = coalesce(each.value.namespace, var.namespace)
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = each.value.period
  evaluation_periods  = each.value.periods
  comparison_operator = each.value.below == null ? "GreaterThanThreshold" : "LessThanThreshold"
  threshold           = each.value.below == null ? each.value.above : each.value.below
  treat_missing_data  = each.value.missing
  alarm_actions       = concat(each.value.actions, [aws_sns_topic.alerts.arn])
  ok_actions          = [aws_sns_topic.alerts.arn]
}
