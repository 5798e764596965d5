# What the host may do: be managed by SSM, read its own parameters, write its own logs, give its containers their roles. Nothing else.
#
# AWS's own AmazonSSMManagedInstanceCore is not attached: it lets a host read every parameter of the account.

locals {
  account   = "${var.region}:${var.account_id}"
  log_arns  = [for group in values(var.log_groups) : "arn:aws:logs:${local.account}:log-group:${group}"]
  ssm_agent = ["ssm:UpdateInstanceInformation", "ssm:ListAssociations", "ssm:ListInstanceAssociations"]
  channels = [
    "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
    "ec2messages:AcknowledgeMessage", "ec2messages:DeleteMessage", "ec2messages:FailMessage",
    "ec2messages:GetEndpoint", "ec2messages:GetMessages", "ec2messages:SendReply",
  ]
}

data "aws_iam_policy_document" "host" {
  statement {
    sid       = "ManagedBySsm"
    actions   = concat(local.ssm_agent, local.channels)
    resources = ["*"] # these actions know no narrower resource: the agent speaks for the instance it runs on
  }
  statement {
    sid     = "OwnParameters"
    actions = ["ssm:GetParameter", "ssm:GetParameters"]
    resources = concat(values(var.secret_arns), [
      "arn:aws:ssm:${local.account}:parameter${var.parameter_prefix}/${var.role}/*",
    ])
  }
  statement {
    sid       = "RolesOfContainers"
    actions   = ["sts:AssumeRole"]
    resources = [for role in aws_iam_role.container : role.arn]
  }
  statement {
    sid       = "OwnLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    resources = concat(local.log_arns, [for arn in local.log_arns : "${arn}:*"])
  }
  statement {
    sid       = "FindLogGroups"
    actions   = ["logs:DescribeLogGroups"]
    resources = ["*"] # the SSM agent looks its group up by this, and it knows no narrower resource
  }
  statement {
    sid       = "OwnMetrics"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = ["CWAgent"]
    }
  }
}

data "aws_iam_policy_document" "assumed_by" {
  for_each = toset(["ec2", "dlm"])

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "host" {
  name               = "${var.name}-host"
  assume_role_policy = data.aws_iam_policy_document.assumed_by["ec2"].json
}

resource "aws_iam_role_policy" "host" {
  name   = "host"
  role   = aws_iam_role.host.id
  policy = data.aws_iam_policy_document.host.json
}

resource "aws_iam_instance_profile" "this" {
  name = "${var.name}-host"
  role = aws_iam_role.host.name
}

# What containers may do: host.sh assumes these roles for them. The pipeline uses the host's buckets. The service, which
# faces the internet, reads the bundles, and writes the one object that a roll back over HTTP changes.
locals {
  containers = merge(
    { pipeline = data.aws_iam_policy_document.pipeline.json },
    var.role == "serve" ? { service = data.aws_iam_policy_document.service[0].json } : {},
  )
}

data "aws_iam_policy_document" "pipeline" {
  statement {
    sid       = "ListOwnBuckets"
    actions   = ["s3:ListBucket", "s3:GetBucketLocation"]
    resources = values(var.bucket_arns)
  }
  statement {
    sid       = "UseOwnBuckets"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    resources = [for arn in values(var.bucket_arns) : "${arn}/*"]
  }
}

data "aws_iam_policy_document" "service" {
  count = var.role == "serve" ? 1 : 0

  statement {
    sid       = "ReadBundles"
    actions   = ["s3:GetObject"]
    resources = ["${var.bucket_arns["bundles"]}/store/*"]
  }
  statement {
    sid       = "TellAbsentFromForbidden" # S3 reports an object as missing only to those who may list the bucket
    actions   = ["s3:ListBucket"]
    resources = [var.bucket_arns["bundles"]]
  }
  statement {
    sid       = "RollBack"
    actions   = ["s3:PutObject"]
    resources = ["${var.bucket_arns["bundles"]}/store/current.json"]
  }
}

data "aws_iam_policy_document" "assumed_by_host" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = [aws_iam_role.host.arn]
    }
  }
}

resource "aws_iam_role" "container" {
  for_each           = local.containers
  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_host.json
}

resource "aws_iam_role_policy" "container" {
  for_each = local.containers
  name     = each.key
  role     = aws_iam_role.container[each.key].id
  policy   = each.value
}

data "aws_iam_policy_document" "snapshots" {
  statement {
    sid       = "Look"
    actions   = ["ec2:DescribeVolumes", "ec2:DescribeSnapshots", "ec2:DescribeInstances"]
    resources = ["*"]
  }
  statement {
    sid       = "Make"
    actions   = ["ec2:CreateSnapshot", "ec2:CreateSnapshots"]
    resources = ["arn:aws:ec2:${local.account}:volume/${aws_ebs_volume.data.id}", "arn:aws:ec2:${var.region}::snapshot/*"]
  }
  statement {
    sid       = "DeleteItsOwn"
    actions   = ["ec2:DeleteSnapshot"]
    resources = ["arn:aws:ec2:${var.region}::snapshot/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/snapshots"
      values   = [var.name]
    }
  }
  statement {
    sid       = "Tag"
    actions   = ["ec2:CreateTags"]
    resources = ["arn:aws:ec2:${var.region}::snapshot/*"]
  }
}

resource "aws_iam_role" "snapshots" {
  name               = "${var.name}-snapshots"
  assume_role_policy = data.aws_iam_policy_document.assumed_by["dlm"].json
}

resource "aws_iam_role_policy" "snapshots" {
  name   = "snapshots"
  role   = aws_iam_role.snapshots.id
  policy = data.aws_iam_policy_document.snapshots.json
}
