# A small network of its own: a public subnet in each zone, a closed default security group, S3 without leaving AWS.
# No NAT gateway: it would cost more than what runs here.

resource "aws_vpc" "this" {
  # checkov:skip=CKV2_AWS_11:flow logs cost more than they show; the security groups admit nothing unknown
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
  # checkov:skip=CKV_AWS_130:SSM, the registry and package mirrors are reached through this address; no port is open on it
  for_each                = toset(var.zones)
  vpc_id                  = aws_vpc.this.id
  cidr_block              = cidrsubnet(var.cidr_block, 8, 1 + index(["a", "b", "c", "d", "e", "f"], substr(each.key, -1, 1)))
  availability_zone       = each.key
  map_public_ip_on_launch = true

  tags = { Name = "${var.name}-${each.key}" }

  lifecycle {
    # Addresses go by the zone's letter, so that a subnet in another zone can be made while this one is there. One that was
    # made before that rule keeps its own.
    ignore_changes = [cidr_block]
  }
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
