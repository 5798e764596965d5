terraform {
  required_version = ">= 1.11" # write-only values: the password never reaches the state

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100.0"
    }
  }

  # The bucket of infra/terraform, another key: see README.md.
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region      = var.region
  max_retries = var.aws_max_retries

  # The stand-in for AWS in the tests knows buckets by path, not by host name.
  s3_use_path_style           = var.aws_stand_in
  skip_credentials_validation = var.aws_stand_in
  skip_metadata_api_check     = var.aws_stand_in
  skip_requesting_account_id  = false

  default_tags {
    tags = {
      project    = var.name
      managed_by = "terraform"
    }
  }
}
