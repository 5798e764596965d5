# Who may what: ECS itself to start a task, Dagster to start runs and use its stores, MLflow to keep artefacts.

data "aws_caller_identity" "this" {}

locals {
  account = "${var.region}:${data.aws_caller_identity.this.account_id}"
  # A shell or a forwarded port into a running task: nobody opens a port for the UIs.
  session = [
    "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
  ]
  objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
}

data "aws_iam_policy_document" "assumed_by_tasks" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.this.account_id]
    }
  }
}

data "aws_iam_policy_document" "start" {
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }
  statement {
    sid       = "ReadThePassword"
    actions   = ["ssm:GetParameters"]
    resources = [aws_ssm_parameter.postgres_password.arn]
  }
  dynamic "statement" {
    for_each = var.registry_secret_arn == "" ? [] : [var.registry_secret_arn]

    content {
      sid       = "ReadTheRegistrysToken"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [statement.value]
    }
  }
}

data "aws_iam_policy_document" "pipeline" {
  # checkov:skip=CKV_AWS_356:the actions on "*" know no narrower resource; the evaluator test lists what they allow
  # checkov:skip=CKV_AWS_111:the same
  statement {
    sid       = "StartRunsAndSteps"
    actions   = ["ecs:RunTask"]
    resources = ["arn:aws:ecs:${local.account}:task-definition/${var.name}-run:*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [aws_ecs_cluster.this.arn]
    }
  }
  statement {
    sid       = "FollowAndEndThem"
    actions   = ["ecs:DescribeTasks", "ecs:StopTask"]
    resources = ["arn:aws:ecs:${local.account}:task/${var.name}/*"]
  }
  statement {
    sid       = "TagThem"
    actions   = ["ecs:TagResource"]
    resources = ["arn:aws:ecs:${local.account}:task/${var.name}/*"]

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RunTask"]
    }
  }
  statement {
    sid       = "Look"
    actions   = ["ecs:DescribeTaskDefinition", "ec2:DescribeNetworkInterfaces"]
    resources = ["*"] # they know no narrower resource
  }
  statement {
    sid       = "GiveThemTheirRoles"
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.task["pipeline"].arn, aws_iam_role.start.arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
  statement {
    sid       = "ReadWhyOneFailed"
    actions   = ["logs:GetLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:log-stream:run/*"]
  }
  statement {
    sid       = "Files"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.home.arn]

    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [aws_efs_access_point.home.arn]
    }
  }
  statement {
    sid       = "ListBuckets"
    actions   = ["s3:ListBucket", "s3:GetBucketLocation"]
    resources = [for purpose in ["data", "bundles", "logs"] : "arn:aws:s3:::${var.buckets[purpose]}"]
  }
  statement {
    sid       = "ReadMeasurements"
    actions   = ["s3:GetObject"]
    resources = ["arn:aws:s3:::${var.buckets["data"]}/*"]
  }
  statement {
    sid       = "PublishAndLog"
    actions   = local.objects
    resources = [for purpose in ["bundles", "logs"] : "arn:aws:s3:::${var.buckets[purpose]}/*"]
  }
  statement {
    sid       = "Sessions"
    actions   = local.session
    resources = ["*"]
  }
}

data "aws_iam_policy_document" "mlflow" {
  # checkov:skip=CKV_AWS_356:the actions on "*" know no narrower resource
  # checkov:skip=CKV_AWS_111:the same
  statement {
    sid       = "ListArtefacts"
    actions   = ["s3:ListBucket", "s3:GetBucketLocation"]
    resources = ["arn:aws:s3:::${var.buckets["artifacts"]}"]
  }
  statement {
    sid       = "KeepArtefacts"
    actions   = local.objects
    resources = ["arn:aws:s3:::${var.buckets["artifacts"]}/mlflow/*"]
  }
  statement {
    sid       = "Sessions"
    actions   = local.session
    resources = ["*"]
  }
}

resource "aws_iam_role" "start" {
  name               = "${var.name}-start"
  description        = "Used by ECS to start a task: image, log, password"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_tasks.json
}

resource "aws_iam_role_policy" "start" {
  name   = "start"
  role   = aws_iam_role.start.id
  policy = data.aws_iam_policy_document.start.json
}

resource "aws_iam_role" "task" {
  for_each           = toset(["pipeline", "mlflow"])
  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_tasks.json
}

resource "aws_iam_role_policy" "task" {
  for_each = {
    pipeline = data.aws_iam_policy_document.pipeline.json
    mlflow   = data.aws_iam_policy_document.mlflow.json
  }
  name   = each.key
  role   = aws_iam_role.task[each.key].id
  policy = each.value
}
