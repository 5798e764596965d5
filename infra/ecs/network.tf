# A network of its own: two public subnets in two zones, which the database asks for, no NAT gateway, no way in.

locals {
  zones = { for position, letter in ["a", "b"] : letter => position }
}

resource "aws_vpc" "this" {
  # checkov:skip=CKV2_AWS_11:flow logs cost more than they tell; the security groups admit nothing from outside
  cidr_block           = var.cidr_block
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.this.id
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_subnet" "public" {
  for_each          = local.zones
  vpc_id            = aws_vpc.this.id
  cidr_block        = cidrsubnet(var.cidr_block, 8, each.value)
  availability_zone = "${var.region}${each.key}"

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_route" "out" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each       = aws_subnet.public
  subnet_id      = each.value.id
  route_table_id = aws_route_table.public.id
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway" # free
  route_table_ids   = [aws_route_table.public.id]

  tags = { Name = "${var.name}-s3" }
}

# Who talks to whom: tasks to the world outside, to MLflow and to the stores. Nobody from outside to anything.
resource "aws_security_group" "tasks" {
  # checkov:skip=CKV2_AWS_5:attached to the tasks in services.tf
  name        = "${var.name}-tasks"
  description = "Tasks of ${var.name}"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "stores" {
  name        = "${var.name}-stores"
  description = "Database and file system of ${var.name}"
  vpc_id      = aws_vpc.this.id
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
  vpc         = aws_vpc.this.id
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
