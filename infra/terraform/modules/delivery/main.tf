# The way in: one SSM document that holds the host script, and one role that GitHub may assume to run it.

locals {
  script = file("${var.scripts}/host.sh")
  # Exported before the script: everything in it that depends on the deployment. The variables' rules keep quotes out.
  settings = [for name, value in var.settings : "export ${name}='${value}'"]
}

resource "aws_ssm_document" "deploy" {
  name            = "${var.name}-host"
  document_type   = "Command"
  document_format = "JSON"
  target_type     = "/AWS::EC2::Instance"

  content = jsonencode({
    schemaVersion = "2.2"
    description   = "Deploy, train, look at or roll back ${var.name}. Made from infra/host/host.sh."
    parameters = {
      Action = {
        type          = "String"
        description   = "What to do."
        allowedValues = ["deploy", "mlflow", "train", "await", "abandon", "plan", "status", "rollback", "restore", "certificate"]
      }
      ImageTag = {
        type           = "String"
        description    = "Git SHA of the images, for deploy and train."
        default        = "none"
        allowedPattern = "^([0-9a-f]{40}|none)$"
      }
      executionTimeout = {
        type           = "String"
        description    = "Seconds after which the command is ended."
        default        = tostring(var.training_timeout_minutes * 60)
        allowedPattern = "^[1-9][0-9]{0,5}$"
      }
    }
    mainSteps = [{
      action = "aws:runShellScript"
      name   = "host"
      inputs = {
        timeoutSeconds = "{{ executionTimeout }}"
        runCommand = concat(
          ["#!/bin/sh"],
          local.settings,
          ["export ACTION='{{ Action }}' IMAGE_TAG='{{ ImageTag }}' TIMEOUT_SECONDS='{{ executionTimeout }}'"],
          split("\n", trimsuffix(local.script, "\n")),
        )
      }
    }]
  })

  lifecycle {
    precondition {
      condition     = !strcontains(local.script, "{{")
      error_message = "host.sh holds two opening braces in a row: SSM would take them for one of its parameters."
    }
    precondition {
      condition     = alltrue([for value in values(var.settings) : can(regex("^[A-Za-z0-9@:/.,_+-]*$", value))])
      error_message = "a setting of the host script holds a character that a shell could read as its own."
    }
  }
}

resource "aws_iam_openid_connect_provider" "github" {
  count          = var.oidc_provider_arn == "" ? 1 : 0
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

locals {
  provider_arn = var.oidc_provider_arn == "" ? aws_iam_openid_connect_provider.github[0].arn : var.oidc_provider_arn
  # With IDs and without, both exactly: GitHub signs with them for what was made or renamed since July 2026, and for
  # others once their owner says so. An ID is never given twice, so a name that somebody takes over opens nothing.
  repositories = distinct([var.github_repository, replace(var.github_repository, "/@[0-9]+/", "")])
  main         = [for one in local.repositories : "repo:${one}:ref:refs/heads/main"] # the branch of deliver.yml

  # The roles: which jobs of the repository may take each, and what it may do.
  roles = {
    deliver = {
      subjects   = local.main
      rights     = data.aws_iam_policy_document.deliver.json
      assumed_by = "the delivery workflow of ${var.github_repository}"
    }
    read = {
      subjects   = concat(local.main, [for one in local.repositories : "repo:${one}:pull_request"])
      rights     = data.aws_iam_policy_document.read.json
      assumed_by = "continuous integration of ${var.github_repository}"
    }
  }
}

data "aws_iam_policy_document" "trust" {
  for_each = local.roles

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.provider_arn]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = each.value.subjects
    }
  }
}

data "aws_iam_policy_document" "deliver" {
  statement {
    sid       = "RunThisDocumentOnTheseHosts"
    actions   = ["ssm:SendCommand"]
    resources = concat([aws_ssm_document.deploy.arn], values(var.instance_arns))
  }
  statement {
    sid       = "StartTheseHosts"
    actions   = ["ec2:StartInstances"]
    resources = values(var.instance_arns)
  }
  dynamic "statement" {
    for_each = contains(keys(var.instance_arns), "train") ? [var.instance_arns["train"]] : []

    content {
      sid       = "StopTheTrainingHost" # and never the one that serves
      actions   = ["ec2:StopInstances"]
      resources = [statement.value]
    }
  }
  statement {
    sid = "Follow"
    actions = [
      "ssm:GetCommandInvocation", "ssm:CancelCommand",
      "ssm:DescribeInstanceInformation", "ec2:DescribeInstances",
    ]
    resources = ["*"]
  }
  statement {
    sid       = "ReadTheOutput"
    actions   = ["logs:GetLogEvents"]
    resources = ["arn:aws:logs:${var.region}:${var.account_id}:log-group:${var.log_groups["commands"]}:log-stream:*"]
  }
}

# Continuous integration compares a change with production's copy of the ledger, and sees nothing else.
data "aws_iam_policy_document" "read" {
  statement {
    actions   = ["s3:GetObject"]
    resources = ["${var.bucket_arns["bundles"]}/ledger/*"]
  }
  statement {
    actions   = ["s3:ListBucket"]
    resources = [var.bucket_arns["bundles"]]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["ledger", "ledger/*"]
    }
  }
}

resource "aws_iam_role" "this" {
  for_each             = local.roles
  name                 = "${var.name}-${each.key}"
  description          = "Assumed by ${each.value.assumed_by}"
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  max_session_duration = 21600 # as long as a job of GitHub's may take
}

resource "aws_iam_role_policy" "this" {
  for_each = local.roles
  name     = each.key
  role     = aws_iam_role.this[each.key].id
  policy   = each.value.rights
}
