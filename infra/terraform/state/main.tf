# The bucket that keeps the state of the deployment. Applied once, by hand, before everything else; its own state is a
# file that may be thrown away: `terraform import aws_s3_bucket.state NAME` brings it back.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100.0"
    }
  }
}

provider "aws" {
  region                      = var.region
  s3_use_path_style           = var.aws_stand_in
  skip_credentials_validation = var.aws_stand_in
  skip_metadata_api_check     = var.aws_stand_in
}

variable "bucket" {
  description = "Name of the bucket, unique in the world."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket: expected 3 to 63 lower-case letters, digits, dots and hyphens, got \"${var.bucket}\"."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "aws_stand_in" {
  description = "Only for the tests: talk to a stand-in for AWS, named by AWS_ENDPOINT_URL."
  type        = bool
  default     = false
}

resource "aws_s3_bucket" "state" {
  # checkov:skip=CKV_AWS_18:one reader
  # checkov:skip=CKV_AWS_144:the state can be imported again
  # checkov:skip=CKV_AWS_145:encrypted by S3's own key; no secret is in the state
  # checkov:skip=CKV2_AWS_61:every version is kept: they are small, and the way back
  # checkov:skip=CKV2_AWS_62:nobody listens for new objects
  bucket = var.bucket
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

output "backend" {
  description = "Lines for infra/terraform/backend.hcl."
  value       = <<-HCL
    bucket = "${aws_s3_bucket.state.id}"
    key    = "aidrug/terraform.tfstate"
    region = "${var.region}"
  HCL
}
