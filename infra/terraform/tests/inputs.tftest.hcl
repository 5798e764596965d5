# What the variables accept, and what follows from them, with a provider that makes nothing:
#   terraform -chdir=infra/terraform init -backend=false && terraform -chdir=infra/terraform test

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_ec2_instance_type" {
    defaults = { supported_architectures = ["x86_64"] }
  }
  mock_data "aws_ssm_parameter" {
    defaults = { insecure_value = "ami-0123456789abcdef0" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mocked" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-north-1:123456789012:mocked" }
  }
}

variables {
  region            = "eu-north-1"
  github_repository = "example-org/example-repository"
  image_repository  = "ghcr.io/example-org/example-repository"
  alert_email       = "operator@example.com"
}

run "closed_by_default" {
  command = plan

  assert {
    condition     = length(module.host.open_ports) == 0
    error_message = "nothing is open until an allowlist says so"
  }
  assert {
    condition     = length(module.training_host) == 0
    error_message = "there is one host until another is asked for"
  }
}

run "allowlists_open_their_ports_and_no_others" {
  command = plan

  variables {
    service_allowlist = ["203.0.113.0/24"]
    ui_allowlist      = ["198.51.100.7/32"]
  }

  assert {
    condition     = module.host.open_ports == tolist(["198.51.100.7/32:3000", "198.51.100.7/32:5000", "203.0.113.0/24:443", "203.0.113.0/24:80"])
    error_message = "expected 443 and 80 for the service's block, 3000 and 5000 for the UIs' block"
  }
}

run "the_whole_internet_must_be_said_twice" {
  command = plan

  variables {
    service_allowlist = ["0.0.0.0/0"]
  }

  expect_failures = [var.service_allowlist]
}

run "the_whole_internet_in_two_halves_too" {
  command = plan

  variables {
    service_allowlist = ["0.0.0.0/1", "128.0.0.0/1"]
  }

  expect_failures = [var.service_allowlist]
}

run "the_whole_internet_said_twice" {
  command = plan

  variables {
    service_allowlist          = ["0.0.0.0/0", "::/0"]
    open_to_the_whole_internet = true
  }

  assert {
    condition     = length(module.host.open_ports) == 4
    error_message = "said twice, it is done"
  }
}

run "the_uis_are_never_open_to_all" {
  command = plan

  variables {
    ui_allowlist               = ["0.0.0.0/0"]
    open_to_the_whole_internet = true
  }

  expect_failures = [var.ui_allowlist]
}

run "malformed_inputs_are_refused" {
  command = plan

  variables {
    name               = "My_Deployment"
    region             = "Stockholm"
    github_repository  = "example-org/*"
    image_repository   = "ghcr.io/Example/Repository:latest"
    instance_type      = "large"
    architecture       = "amd64"
    root_volume_gib    = 8
    service_allowlist  = ["203.0.113.10"]
    alert_email        = "nobody"
    log_retention_days = 42
    hosted_zone_id     = "Z0123456789EXAMPLE"
    service_workers    = 1.5
    rate_per_minute    = -1
    proxy_image        = "caddy 2.11"
  }

  expect_failures = [
    var.name, var.region, var.github_repository, var.image_repository, var.instance_type,
    var.architecture, var.root_volume_gib, var.service_allowlist, var.alert_email, var.log_retention_days,
    var.hosted_zone_id, var.service_workers, var.rate_per_minute, var.proxy_image,
  ]
}

run "two_workers_fit_into_the_default_memory" {
  command = plan

  variables {
    service_workers = 2
    rate_per_minute = 0
  }

  assert {
    condition     = length(module.training_host) == 0
    error_message = "both are settings of the one host"
  }
}

run "every_worker_has_memory" {
  command = plan

  variables {
    service_workers = 3
  }

  expect_failures = [var.service_memory_mib]
}

run "a_training_host_has_a_shutdown_policy" {
  command = plan

  variables {
    training_host = { instance_type = "m5.2xlarge", shutdown = "after_training" }
  }

  assert {
    condition     = length(module.training_host) == 1
    error_message = "the second host is made by the same module"
  }
}

run "the_proxy_is_pinned_by_digest" {
  command = plan

  variables {
    proxy_image = "caddy:2.11-alpine@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  }

  assert {
    condition     = length(module.training_host) == 0
    error_message = "a digest behind the tag is no fault"
  }
}

run "the_new_form_of_a_repository_is_taken" {
  command = plan

  variables {
    github_repository = "example-org@123456/example-repository@456789"
  }

  assert {
    condition     = length(module.training_host) == 0
    error_message = "numbers beside the names are no fault"
  }
}

run "half_of_the_new_form_is_refused" {
  command = plan

  variables {
    github_repository = "example-org/example-repository@456789"
  }

  expect_failures = [var.github_repository]
}

run "an_unknown_shutdown_policy_is_refused" {
  command = plan

  variables {
    training_host = { instance_type = "m5.2xlarge", shutdown = "sometimes" }
  }

  expect_failures = [var.training_host]
}

run "a_name_without_its_zone_makes_no_record" {
  command = plan

  variables {
    domain_name = "aidrug.example.com"
  }

  assert {
    condition     = length(aws_route53_record.service) == 0 && output.address == "aidrug.example.com"
    error_message = "the name is kept elsewhere"
  }
}
