terraform {
  required_version = ">= 1.11" # write-only values: the registry token never reaches the state

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100.0"
    }
  }

  # Bucket, key and region come from `terraform init -backend-config=backend.hcl`; see backend.hcl.example.
  backend "s3" {
    encrypt      = true
    use_lockfile = true # two applies at once: the second one is refused
  }
}

provider "aws" {
  region = var.region

  # The stand-in for AWS in the tests knows buckets by path, not by host name.
  s3_use_path_style           = var.aws_stand_in
  skip_credentials_validation = var.aws_stand_in
  skip_metadata_api_check     = var.aws_stand_in

  default_tags {
    tags = {
      project    = var.name
      managed_by = "terraform"
    }
  }
}
