# What is watched on one host: its logs, what is counted in them, its alarms, and one page that shows it.

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

resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each       = merge(local.probed, local.ended)
  name           = "${var.name}-${each.key}"
  log_group_name = each.value.log_group
  pattern        = each.value.pattern

  metric_transformation {
    namespace = local.namespace
    name      = each.key
    value     = each.value.value
  }
}

# By default, a sum over five minutes that must stay at zero.
resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = try(each.value.namespace, local.namespace)
  metric_name         = each.value.metric
  dimensions          = try(each.value.dimensions, {})
  statistic           = try(each.value.statistic, "Sum")
  period              = try(each.value.period, 300)
  evaluation_periods  = try(each.value.periods, 1)
  comparison_operator = can(each.value.below) ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = try(each.value.below, each.value.above)
  treat_missing_data  = try(each.value.missing, "notBreaching")
  alarm_actions       = concat(try(each.value.actions, []), [aws_sns_topic.alerts.arn])
  ok_actions          = [aws_sns_topic.alerts.arn]
}

locals {
  # The probe writes {"up": 1, "ready_ms": 12, ...}: a number by name in every line, or null.
  probed = { for metric, key in { Up = "up", ReadyMilliseconds = "ready_ms", Errors = "errors", PredictMilliseconds = "predict_ms", StoreUnreachable = "store_unreachable", NotServed = "not_served", Automation = "automation", BackupHours = "backup_hours" } : metric => {
    log_group = aws_cloudwatch_log_group.this["probe"].name, pattern = "{ $.${key} = * }", value = "$.${key}"
  } }
  # host.sh ends every failed action with "FAILED <action> at <step>".
  ended = { for metric, pattern in { DeliveriesFailed = "\"FAILED\"", TrainingsFailed = "\"FAILED\" \"at training\"", RolledBack = "\"ROLLED BACK\"" } : metric => {
    log_group = aws_cloudwatch_log_group.this["host"].name, pattern = pattern, value = "1"
  } }

  host = { InstanceId = var.instance_id }
  alarms = {
    host-unreachable = {
      namespace = "AWS/EC2", metric = "StatusCheckFailed_System", dimensions = local.host
      statistic = "Maximum", period = 60, periods = 2, above = 0, missing = "missing" # a stopped host reports nothing
      actions   = ["arn:aws:automate:${var.region}:ec2:recover"], text = "The hardware under the host fails: AWS moves it."
    }
    host-hung = {
      namespace = "AWS/EC2", metric = "StatusCheckFailed_Instance", dimensions = local.host
      statistic = "Maximum", period = 60, periods = 5, above = 0
      actions   = ["arn:aws:automate:${var.region}:ec2:reboot"], text = "The operating system does not answer: AWS restarts it."
    }
    memory = {
      namespace = "CWAgent", metric = "mem_used_percent", dimensions = local.host
      statistic = "Average", periods = 3, above = 92
      text      = "Memory is nearly full: take a larger instance_type, or a training_host."
    }
    disk-system = {
      namespace = "CWAgent", metric = "disk_used_percent", dimensions = merge(local.host, { path = "/" })
      statistic = "Maximum", periods = 2, above = 85
      text      = "The system disk is nearly full: raise root_volume_gib; the host grows the file system at its next boot."
    }
    disk-data = {
      namespace = "CWAgent", metric = "disk_used_percent", dimensions = merge(local.host, { path = "/var/lib/aidrug" })
      statistic = "Maximum", periods = 2, above = 85
      text      = "The data disk is nearly full: raise data_volume_gib; the host grows the file system at its next boot. docs/operations/backup-restore.md says what may be deleted."
    }
    service-down = {
      metric = "Up", statistic = "Maximum", period = 60, periods = 5, below = 1, missing = "breaching"
      text   = "The service has not answered for five minutes: `aidrug host status`, then `aidrug host logs`."
    }
    service-slow = {
      metric = "ReadyMilliseconds", statistic = "Average", periods = 3, above = 1000
      text   = "The service takes more than a second to report that it is ready: `aidrug host logs --group containers`, then a larger instance_type."
    }
    predictions-slow = {
      metric = "PredictMilliseconds", statistic = "Average", periods = 3, above = 5000
      text   = "For a quarter of an hour, answers with predictions have taken more than five seconds on average: see docs/operating.md, or take a larger instance_type."
    }
    service-errors = {
      metric = "Errors", above = 5
      text   = "More than five answers with a server error in five minutes: `aidrug host logs --group containers`."
    }
    store-unreachable = {
      metric = "StoreUnreachable", statistic = "Minimum", periods = 2, above = 0
      text   = "For ten minutes the bundle store has been out of reach, or damaged; what is in memory continues to serve. `aidrug host logs --group containers` says which, docs/operating.md what to do."
    }
    not-served = {
      metric = "NotServed", statistic = "Minimum", periods = 2, above = 0
      text   = "For ten minutes an appointed champion has been refused; the one before it, if any, continues to serve. `aidrug host logs --group containers` says why, docs/operating.md what to do."
    }
    automation-silent = {
      metric = "Automation", statistic = "Maximum", periods = 6, below = 1
      text   = "Dagster's daemon, or its sensor, has not worked for half an hour: nothing retrains, nothing is backed up. Or `/opt/aidrug/paused` has been there for hours. `aidrug host status`, `aidrug host logs --group containers`."
    }
    backup-missing = {
      metric = "BackupHours", statistic = "Maximum", period = 3600, above = 30
      text   = "The last backup is older than a night: Dagster's runs of nightly_backup say why. By hand: docs/operations/backup-restore.md."
    }
    training-failed = {
      metric = "TrainingsFailed", above = 0
      text   = "A training failed; what served before still serves: `aidrug host logs`."
    }
    delivery-failed = {
      metric = "DeliveriesFailed", above = 0
      text   = "A delivery failed or was rolled back, or the containers' credentials are not renewed: `aidrug host logs`."
    }
  }
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
        { title = "Time to say ready, to predict, ms", stat = "Average", metrics = [for name in ["ReadyMilliseconds", "PredictMilliseconds"] : [local.namespace, name]] },
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
