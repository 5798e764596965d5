# The buckets: encrypted, versioned, closed to the public, TLS only, with an end for what nobody needs.

data "aws_caller_identity" "this" {}

locals {
  # purpose => days after which an overwritten or deleted object is gone, and (null: never) any object is
  buckets = {
    artifacts = { superseded_days = 30, any_days = null } # MLflow's artefacts
    data      = { superseded_days = 90, any_days = null } # DVC's remote
    bundles   = { superseded_days = 90, any_days = null } # what the service loads
    logs      = { superseded_days = 7, any_days = 90 }    # Dagster's compute logs
    backups   = { superseded_days = 30, any_days = null } # the state; each backup deletes what is too old
  }
}

resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV_AWS_18:access logs of five private buckets of one host cost more than they show
  # checkov:skip=CKV_AWS_144:a copy in a second region is a decision about money; docs/operations says how to restore
  # checkov:skip=CKV_AWS_145:encrypted by S3's own key; a customer key costs money and protects from nobody else here
  # checkov:skip=CKV_AWS_21:versioned below; checkov connects only one of the buckets of a for_each
  # checkov:skip=CKV2_AWS_6:closed below, the same
  # checkov:skip=CKV2_AWS_61:lifecycle below, the same
  # checkov:skip=CKV2_AWS_62:nobody listens for new objects
  for_each      = local.buckets
  bucket        = "${var.name}-${each.key}-${data.aws_caller_identity.this.account_id}"
  force_destroy = !var.keep_data_on_destroy
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each                = aws_s3_bucket.this
  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  rule {
    id     = "superseded"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = local.buckets[each.key].superseded_days
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  dynamic "rule" {
    for_each = local.buckets[each.key].any_days == null ? [] : [local.buckets[each.key].any_days]

    content {
      id     = "old"
      status = "Enabled"

      filter {}

      expiration {
        days = rule.value
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

data "aws_iam_policy_document" "tls_only" {
  for_each = aws_s3_bucket.this

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value.arn, "${each.value.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each   = aws_s3_bucket.this
  bucket     = each.value.id
  policy     = data.aws_iam_policy_document.tls_only[each.key].json
  depends_on = [aws_s3_bucket_public_access_block.this] # S3 refuses both changes at once
}
