# A network of its own: two zones, because the database asks for two, and no way in.

module "network" {
  source = "../terraform/modules/network"

  name       = var.name
  region     = var.region
  zones      = ["${var.region}a", "${var.region}b"]
  cidr_block = var.cidr_block
}

# Who talks to whom: tasks to the world outside, to MLflow and to the stores. Nobody from outside to anything.
resource "aws_security_group" "tasks" {
  # checkov:skip=CKV2_AWS_5:attached to the tasks in services.tf
  name        = "${var.name}-tasks"
  description = "Tasks of ${var.name}"
  vpc_id      = module.network.vpc_id
}

resource "aws_security_group" "stores" {
  name        = "${var.name}-stores"
  description = "Database and file system of ${var.name}"
  vpc_id      = module.network.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "tasks" {
  security_group_id = aws_security_group.tasks.id
  description       = "registry, S3, SSM"
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "mlflow" {
  # checkov:skip=CKV_AWS_23:the tag says what it is for; the stand-in for AWS forgets a description here
  security_group_id            = aws_security_group.tasks.id
  ip_protocol                  = "tcp"
  from_port                    = 5000
  to_port                      = 5000
  referenced_security_group_id = aws_security_group.tasks.id

  tags = { Name = "MLflow, from the other tasks" }
}

resource "aws_vpc_security_group_ingress_rule" "stores" {
  # checkov:skip=CKV_AWS_23:the same
  for_each                     = { postgres = 5432, efs = 2049 }
  security_group_id            = aws_security_group.stores.id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
  referenced_security_group_id = aws_security_group.tasks.id

  tags = { Name = "${each.key}, from the tasks" }
}

# A name for MLflow that runs find: mlflow.<name>.internal
resource "aws_service_discovery_private_dns_namespace" "this" {
  name        = "${var.name}.internal"
  description = "Names of the tasks of ${var.name}"
  vpc         = module.network.vpc_id
}

resource "aws_service_discovery_service" "mlflow" {
  name = "mlflow"

  dns_config {
    namespace_id = aws_service_discovery_private_dns_namespace.this.id

    dns_records {
      ttl  = 10
      type = "A"
    }
  }
}
