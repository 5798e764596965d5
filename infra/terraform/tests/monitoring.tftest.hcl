# What the alarms do when nothing is reported.

mock_provider "aws" {
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-north-1:123456789012:mocked" }
  }
}

variables {
  name               = "aidrug"
  region             = "eu-north-1"
  alert_email        = "operator@example.com"
  log_retention_days = 30
  instance_id        = "i-0123456789abcdef0"
}

run "a_planned_stop_is_no_fault_of_the_hardware" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["host-unreachable"].treat_missing_data == "missing"
    error_message = "a stopped host reports nothing, and there is nothing to recover"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["service-down"].treat_missing_data == "breaching"
    error_message = "a service of which nothing is heard is down"
  }
}
