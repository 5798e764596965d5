# What the module of the network promises.

mock_provider "aws" {}

variables {
  name   = "aidrug"
  region = "eu-north-1"
}

run "a_subnet_in_another_zone_does_not_wait_for_the_one_before" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    zones = ["eu-north-1a", "eu-north-1b"]
  }

  assert {
    condition     = aws_subnet.public["eu-north-1a"].cidr_block == "10.20.1.0/24" && aws_subnet.public["eu-north-1b"].cidr_block == "10.20.2.0/24"
    error_message = "addresses must follow from the zone's letter alone"
  }
}
