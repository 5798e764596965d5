# What the module of a host promises, whoever calls it.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_data "aws_ec2_instance_type" {
    defaults = { supported_architectures = ["x86_64"] }
  }
  mock_data "aws_ssm_parameter" {
    defaults = { insecure_value = "ami-0123456789abcdef0" }
  }
}

variables {
  name                 = "aidrug"
  role                 = "serve"
  region               = "eu-north-1"
  account_id           = "123456789012"
  vpc_id               = "vpc-0123456789abcdef0"
  subnet_id            = "subnet-0123456789abcdef0"
  zone                 = "eu-north-1a"
  instance_type        = "t3.large"
  architecture         = "x86_64"
  root_volume_gib      = 40
  data_volume_gib      = 50
  keep_data_on_destroy = true
  snapshots_kept       = 7
  fixed_address        = true
  parameter_prefix     = "/aidrug"
  secret_arns          = {}
  bucket_arns          = { bundles = "arn:aws:s3:::aidrug-bundles" }
  log_groups           = { host = "/aidrug/host", containers = "/aidrug/containers", commands = "/aidrug/commands", probe = "/aidrug/probe" }
  topic_arn            = "arn:aws:sns:eu-north-1:123456789012:aidrug-alerts"
  scripts              = "../host"
}

run "hardened" {
  command = plan

  module {
    source = "./modules/host"
  }

  assert {
    condition     = aws_instance.this.metadata_options[0].http_tokens == "required"
    error_message = "the metadata service must ask for a token (IMDSv2)"
  }
  assert {
    condition     = aws_instance.this.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "containers must not reach the instance's credentials"
  }
  assert {
    condition     = aws_instance.this.root_block_device[0].encrypted && aws_ebs_volume.data.encrypted
    error_message = "both disks must be encrypted"
  }
  assert {
    condition     = aws_ebs_volume.data.final_snapshot
    error_message = "destroying the data disk must leave a snapshot"
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.idle) == 0
    error_message = "nothing may stop a host that serves"
  }
}

run "a_host_that_serves_is_never_shut_down" {
  command = plan

  module {
    source = "./modules/host"
  }

  variables {
    shutdown = "after_training"
  }

  expect_failures = [aws_instance.this]
}

run "the_type_must_have_the_architecture" {
  command = plan

  module {
    source = "./modules/host"
  }

  variables {
    architecture = "arm64"
  }

  expect_failures = [aws_instance.this]
}

run "port_22_stays_closed" {
  command = plan

  module {
    source = "./modules/host"
  }

  variables {
    ingress = { ssh = { port = 22, cidr_block = "203.0.113.10/32", description = "ssh" } }
  }

  expect_failures = [var.ingress]
}

run "an_idle_training_host_is_stopped" {
  command = plan

  module {
    source = "./modules/host"
  }

  variables {
    role     = "train"
    shutdown = "after_training"
  }

  assert {
    condition     = contains(aws_cloudwatch_metric_alarm.idle[0].alarm_actions, "arn:aws:automate:eu-north-1:ec2:stop")
    error_message = "the alarm must stop the host"
  }
}
