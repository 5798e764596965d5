# Logs, what is counted in them, alarms, who is told, and one page that shows it.

locals {
  groups = {
    host       = "/${var.name}/host"       # host.sh and boot.sh
    commands   = "/${var.name}/commands"   # output of SSM commands, followed by the driver
    containers = "/${var.name}/containers" # every container's log
    probe      = "/${var.name}/probe"      # one line a minute: does the service answer, how fast, with how many errors
  }
  namespace = "${var.name}/service"
}

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_158:encrypted by CloudWatch's own key; no line holds a molecule or a secret
  # checkov:skip=CKV_AWS_338:a year of logs is a decision about money: log_retention_days
  for_each          = local.groups
  name              = each.value
  retention_in_days = var.log_retention_days
}

resource "aws_sns_topic" "alerts" {
  # checkov:skip=CKV_AWS_26:CloudWatch may not publish to a topic under the account's default key, and a customer key costs money
  name = "${var.name}-alerts"
}

resource "aws_sns_topic_subscription" "email" {
  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = var.alert_email
}

# The probe writes {"up": 1, "ready_ms": 12, "errors": 0, "predict_ms": 34}: a number by name in every line.
resource "aws_cloudwatch_log_metric_filter" "probe" {
  for_each       = { Up = "up", ReadyMilliseconds = "ready_ms", Errors = "errors" }
  name           = "${var.name}-${each.value}"
  log_group_name = aws_cloudwatch_log_group.this["probe"].name
  pattern        = "{ $.${each.value} = * }"

  metric_transformation {
    namespace = local.namespace
    name      = each.key
    value     = "$.${each.value}"
  }
}

# host.sh ends every failed action with "FAILED <action> at <step>".
resource "aws_cloudwatch_log_metric_filter" "failure" {
  for_each       = { DeliveriesFailed = "\"FAILED\"", TrainingsFailed = "\"FAILED\" \"at training\"", RolledBack = "\"ROLLED BACK\"" }
  name           = "${var.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.this["host"].name
  pattern        = each.value

  metric_transformation {
    namespace = local.namespace
    name      = each.key
    value     = "1"
  }
}

locals {
  # name => what is watched. missing: what a minute without a number means.
  alarms = {
    host-unreachable = {
      namespace = "AWS/EC2", metric = "StatusCheckFailed_System", dimensions = { InstanceId = var.instance_id }
      statistic = "Maximum", period = 60, periods = 2, comparison = "GreaterThanThreshold", threshold = 0, missing = "breaching"
      actions   = ["arn:aws:automate:${var.region}:ec2:recover"], text = "The hardware under the host fails: AWS moves it."
    }
    host-hung = {
      namespace = "AWS/EC2", metric = "StatusCheckFailed_Instance", dimensions = { InstanceId = var.instance_id }
      statistic = "Maximum", period = 60, periods = 5, comparison = "GreaterThanThreshold", threshold = 0, missing = "notBreaching"
      actions   = ["arn:aws:automate:${var.region}:ec2:reboot"], text = "The operating system does not answer: AWS restarts it."
    }
    memory = {
      namespace = "CWAgent", metric = "mem_used_percent", dimensions = { InstanceId = var.instance_id }
      statistic = "Average", period = 300, periods = 3, comparison = "GreaterThanThreshold", threshold = 92, missing = "notBreaching"
      actions   = [], text = "Memory is nearly full: take a larger instance_type, or a training_host."
    }
    disk-system = {
      namespace = "CWAgent", metric = "disk_used_percent", dimensions = { InstanceId = var.instance_id, path = "/" }
      statistic = "Maximum", period = 300, periods = 2, comparison = "GreaterThanThreshold", threshold = 85, missing = "notBreaching"
      actions   = [], text = "The system disk is nearly full: raise root_volume_gib."
    }
    disk-data = {
      namespace = "CWAgent", metric = "disk_used_percent", dimensions = { InstanceId = var.instance_id, path = "/var/lib/aidrug" }
      statistic = "Maximum", period = 300, periods = 2, comparison = "GreaterThanThreshold", threshold = 85, missing = "notBreaching"
      actions   = [], text = "The data disk is nearly full: raise data_volume_gib; the host grows the file system at its next boot."
    }
    service-down = {
      namespace = local.namespace, metric = "Up", dimensions = {}
      statistic = "Maximum", period = 60, periods = 5, comparison = "LessThanThreshold", threshold = 1, missing = "breaching"
      actions   = [], text = "The service has not answered for five minutes: `aidrug host status`, then `aidrug host logs`."
    }
    service-slow = {
      namespace = local.namespace, metric = "ReadyMilliseconds", dimensions = {}
      statistic = "Average", period = 300, periods = 3, comparison = "GreaterThanThreshold", threshold = 1000, missing = "notBreaching"
      actions   = [], text = "The service takes more than a second to say that it is ready."
    }
    service-errors = {
      namespace = local.namespace, metric = "Errors", dimensions = {}
      statistic = "Sum", period = 300, periods = 1, comparison = "GreaterThanThreshold", threshold = 5, missing = "notBreaching"
      actions   = [], text = "More than five answers with a server error in five minutes: `aidrug host logs --group containers`."
    }
    training-failed = {
      namespace = local.namespace, metric = "TrainingsFailed", dimensions = {}
      statistic = "Sum", period = 300, periods = 1, comparison = "GreaterThanThreshold", threshold = 0, missing = "notBreaching"
      actions   = [], text = "A training failed; what served before still serves: `aidrug host logs`."
    }
    delivery-failed = {
      namespace = local.namespace, metric = "DeliveriesFailed", dimensions = {}
      statistic = "Sum", period = 300, periods = 1, comparison = "GreaterThanThreshold", threshold = 0, missing = "notBreaching"
      actions   = [], text = "A delivery failed or was rolled back: `aidrug host logs`."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = each.value.period
  evaluation_periods  = each.value.periods
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing
  alarm_actions       = concat(each.value.actions, [aws_sns_topic.alerts.arn])
  ok_actions          = [aws_sns_topic.alerts.arn]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type = "alarm", x = 0, y = 0, width = 24, height = 3
        properties = {
          title  = "Alarms"
          alarms = [for name in sort(keys(local.alarms)) : aws_cloudwatch_metric_alarm.this[name].arn]
        }
      }],
      [for place, chart in [
        { title = "Service answers", stat = "Minimum", metrics = [[local.namespace, "Up"]] },
        { title = "Time to say ready, ms", stat = "Average", metrics = [[local.namespace, "ReadyMilliseconds"]] },
        { title = "Server errors", stat = "Sum", metrics = [[local.namespace, "Errors"]] },
        { title = "Deliveries", stat = "Sum", metrics = [for name in ["DeliveriesFailed", "TrainingsFailed", "RolledBack"] : [local.namespace, name]] },
        { title = "Processor, %", stat = "Average", metrics = [["AWS/EC2", "CPUUtilization", "InstanceId", var.instance_id]] },
        { title = "Memory and disks, %", stat = "Maximum", metrics = [
          ["CWAgent", "mem_used_percent", "InstanceId", var.instance_id],
          ["CWAgent", "disk_used_percent", "InstanceId", var.instance_id, "path", "/"],
          ["CWAgent", "disk_used_percent", "InstanceId", var.instance_id, "path", "/var/lib/aidrug"],
        ] },
        ] : {
        type       = "metric", x = (place % 3) * 8, y = 3 + floor(place / 3) * 6, width = 8, height = 6
        properties = { title = chart.title, region = var.region, stat = chart.stat, period = 300, metrics = chart.metrics }
      }],
      [{
        type = "log", x = 0, y = 15, width = 24, height = 6
        properties = {
          title  = "What the host did last"
          region = var.region
          query  = "SOURCE '${local.groups.host}' | fields @timestamp, @message | sort @timestamp desc | limit 50"
        }
      }],
    )
  })
}
