# What a person needs for the runbooks, beside what the workflow may. Attach it to your people's roles. Terraform itself, its
# outputs included, takes an administrator. docs/operations/README.md lists the rights by runbook.

locals {
  account  = "${var.region}:${var.account_id}"
  log_arns = [for group in values(var.log_groups) : "arn:aws:logs:${local.account}:log-group:${group}"]
  readable = [for purpose in ["bundles", "data", "backups"] : var.bucket_arns[purpose]]
}

data "aws_iam_policy_document" "operator" {
  source_policy_documents = [data.aws_iam_policy_document.deliver.json, data.aws_iam_policy_document.read.json]

  statement {
    sid       = "StopAnyHost" # the command asks for --even-if-it-serves
    actions   = ["ec2:StopInstances"]
    resources = values(var.instance_arns)
  }
  statement {
    sid     = "Shell"
    actions = ["ssm:StartSession"]
    resources = concat(values(var.instance_arns), [
      "arn:aws:ssm:${local.account}:document/SSM-SessionManagerRunShell",
      "arn:aws:ssm:${var.region}:*:document/AWS-StartPortForwardingSession", # AWS's own
    ])
  }
  statement {
    sid       = "OwnSessions"
    actions   = ["ssm:TerminateSession", "ssm:ResumeSession"]
    resources = ["arn:aws:ssm:${local.account}:session/$${aws:userid}-*"]
  }
  statement {
    sid       = "OwnSessionsData" # AWS asks it of the person, too
    actions   = ["ssmmessages:OpenDataChannel"]
    resources = ["arn:aws:ssm:*:*:session/$${aws:userid}-*"]
  }
  statement {
    sid       = "ReadTheLogs"
    actions   = ["logs:FilterLogEvents"]
    resources = concat(local.log_arns, [for arn in local.log_arns : "${arn}:*"])
  }
  statement {
    sid       = "ReplaceSecrets"
    actions   = ["ssm:GetParameter", "ssm:PutParameter"]
    resources = values(var.secret_arns)
  }
  statement {
    sid       = "Look"
    actions   = ["ec2:DescribeSnapshots", "ec2:DescribeVolumes", "pricing:GetProducts"]
    resources = ["*"] # these actions know no narrower resource
  }
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketLocation"]
    resources = local.readable
  }
  statement {
    sid       = "EarlierVersions"
    actions   = ["s3:GetObjectVersion"]
    resources = ["${var.bucket_arns["bundles"]}/store/*"]
  }
  statement {
    sid       = "StoreMeasurementsAndBackups"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${var.bucket_arns["bundles"]}/store/*", "${var.bucket_arns["data"]}/*", "${var.bucket_arns["backups"]}/*"]
  }
  statement {
    sid       = "RemoveOldBackups"
    actions   = ["s3:DeleteObject"]
    resources = ["${var.bucket_arns["backups"]}/*"]
  }
}

resource "aws_iam_policy" "operator" {
  name        = "${var.name}-operator"
  description = "What a person needs for the runbooks of ${var.name}"
  policy      = data.aws_iam_policy_document.operator.json
}
