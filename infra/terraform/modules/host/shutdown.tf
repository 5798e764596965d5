# What stops a host that only trains when the driver could not: a timetable, or an alarm on idleness.

locals {
  scheduled = var.shutdown == "schedule" ? 1 : 0
  watched   = var.shutdown == "after_training" ? 1 : 0
}

data "aws_iam_policy_document" "scheduler_assumes" {
  count = local.scheduled

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

data "aws_iam_policy_document" "scheduler" {
  count = local.scheduled

  statement {
    actions   = ["ec2:StopInstances"]
    resources = [aws_instance.this.arn]
  }
}

resource "aws_iam_role" "scheduler" {
  count              = local.scheduled
  name               = "${var.name}-scheduler"
  assume_role_policy = data.aws_iam_policy_document.scheduler_assumes[0].json
}

resource "aws_iam_role_policy" "scheduler" {
  count  = local.scheduled
  name   = "stop"
  role   = aws_iam_role.scheduler[0].id
  policy = data.aws_iam_policy_document.scheduler[0].json
}

resource "aws_scheduler_schedule" "stop" {
  # checkov:skip=CKV_AWS_297:the payload is an instance id, no secret
  count               = local.scheduled
  name                = "${var.name}-stop"
  description         = "Stops the host that only trains"
  schedule_expression = "cron(0 ${var.stop_hour_utc} * * ? *)"

  flexible_time_window {
    mode = "OFF"
  }
  target {
    arn      = "arn:aws:scheduler:::aws-sdk:ec2:stopInstances"
    role_arn = aws_iam_role.scheduler[0].arn
    input    = jsonencode({ InstanceIds = [aws_instance.this.id] })
  }
}

resource "aws_cloudwatch_metric_alarm" "idle" {
  count               = local.watched
  alarm_name          = "${var.name}-idle"
  alarm_description   = "The host has done nothing for an hour: it is stopped. `aidrug host start` brings it back."
  namespace           = "AWS/EC2"
  metric_name         = "CPUUtilization"
  dimensions          = { InstanceId = aws_instance.this.id }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 12
  comparison_operator = "LessThanThreshold"
  threshold           = 5
  treat_missing_data  = "missing" # a stopped host reports nothing
  alarm_actions       = ["arn:aws:automate:${var.region}:ec2:stop", var.topic_arn]
}
