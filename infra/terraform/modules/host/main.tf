# One host: instance, data disk that outlives it, security group, nightly snapshots. Used for the host that serves and,
# optionally, for one that only trains. Its rights are in rights.tf.

data "aws_ssm_parameter" "image" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${var.architecture}"
}

data "aws_ec2_instance_type" "this" {
  instance_type = var.instance_type
}

resource "aws_security_group" "this" {
  name        = var.name
  description = "Out: everything. In: what the allowlists name, and never port 22."
  vpc_id      = var.vpc_id

  tags = { Name = var.name }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "out" {
  security_group_id = aws_security_group.this.id
  description       = "SSM, registry, S3, package mirrors"
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "in" {
  for_each          = var.ingress
  security_group_id = aws_security_group.this.id
  description       = each.value.description
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = strcontains(each.value.cidr_block, ":") ? null : each.value.cidr_block
  cidr_ipv6         = strcontains(each.value.cidr_block, ":") ? each.value.cidr_block : null
}

resource "aws_vpc_security_group_ingress_rule" "from_host" {
  # checkov:skip=CKV_AWS_23:the tag says what it is for; the stand-in for AWS forgets a description here
  for_each                     = var.ingress_from_groups
  security_group_id            = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = each.value.group_id

  tags = { Name = each.value.description }
}

resource "aws_ebs_volume" "data" {
  # checkov:skip=CKV_AWS_189:encrypted by the account's aws/ebs key; a customer key costs money for the same readers
  availability_zone = var.zone
  size              = var.data_volume_gib
  snapshot_id       = var.data_snapshot_id == "" ? null : var.data_snapshot_id
  type              = "gp3"
  encrypted         = true
  final_snapshot    = var.keep_data_on_destroy

  tags = { Name = "${var.name}-data", snapshots = var.name }

  lifecycle {
    # Both matter only when the disk is made, and AWS refuses a change that leaves the disk itself as it is.
    ignore_changes = [final_snapshot, snapshot_id]
  }
}

resource "aws_instance" "this" {
  ami                    = data.aws_ssm_parameter.image.insecure_value
  instance_type          = var.instance_type
  subnet_id              = var.subnet_id
  vpc_security_group_ids = [aws_security_group.this.id]
  iam_instance_profile   = aws_iam_instance_profile.this.name
  ebs_optimized          = true
  monitoring             = true

  # No key_name: there is no SSH. A shell is `aws ssm start-session --target <instance>`.

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1 # out of reach for containers, which are one hop further away
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = var.root_volume_gib
    encrypted   = true
  }

  user_data = templatefile("${path.module}/user_data.sh.tftpl", {
    data_volume_id = aws_ebs_volume.data.id
    agent_config   = "${var.parameter_prefix}/${var.role}/cloudwatch-agent"
    swap_gib       = 4 # a training that outgrows the memory slows down before it is killed
    boot_script    = file("${var.scripts}/boot.sh")
  })

  tags = {
    Name     = var.name
    role     = var.role     # serve | train: the driver never stops a host that serves by itself
    shutdown = var.shutdown # never | after_training
  }

  depends_on = [aws_ssm_parameter.agent_config, aws_iam_role_policy.host] # read at first boot

  lifecycle {
    # A newer image or boot script is for the next host: `terraform apply -replace=module.NAME.aws_instance.this`.
    ignore_changes = [ami, user_data]

    precondition {
      condition     = contains(data.aws_ec2_instance_type.this.supported_architectures, var.architecture)
      error_message = "instance type ${var.instance_type} has no ${var.architecture} processor (it has: ${join(", ", data.aws_ec2_instance_type.this.supported_architectures)}). Change instance_type or architecture; t3, m5, c5 are x86_64, t4g, m7g, c7g are arm64."
    }
    precondition {
      condition     = var.role != "serve" || var.shutdown == "never"
      error_message = "a host that serves is never shut down by a policy, got shutdown = ${var.shutdown}."
    }
  }
}

resource "aws_volume_attachment" "data" {
  device_name                    = "/dev/sdf"
  volume_id                      = aws_ebs_volume.data.id
  instance_id                    = aws_instance.this.id
  stop_instance_before_detaching = true
}

resource "aws_eip" "this" {
  count  = var.fixed_address ? 1 : 0
  domain = "vpc"

  tags = { Name = var.name }
}

resource "aws_eip_association" "this" {
  count         = var.fixed_address ? 1 : 0
  instance_id   = aws_instance.this.id
  allocation_id = aws_eip.this[0].id
}

resource "aws_ssm_parameter" "agent_config" {
  # checkov:skip=CKV2_AWS_34:which files are collected is no secret
  name = "${var.parameter_prefix}/${var.role}/cloudwatch-agent"
  type = "String"
  value = templatefile("${path.module}/cloudwatch_agent.json.tftpl", {
    host_group      = var.log_groups.host
    container_group = var.log_groups.containers
    probe_group     = var.log_groups.probe
  })
}

resource "aws_dlm_lifecycle_policy" "snapshots" {
  description        = "Daily snapshots of the data disk of ${var.name}"
  execution_role_arn = aws_iam_role.snapshots.arn
  state              = "ENABLED"

  policy_details {
    resource_types = ["VOLUME"]
    target_tags    = { snapshots = var.name }

    schedule {
      name      = "daily"
      copy_tags = true

      create_rule {
        interval      = 24
        interval_unit = "HOURS"
        times         = ["03:00"]
      }
      retain_rule {
        count = var.snapshots_kept
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "idle" {
  count               = var.shutdown == "after_training" ? 1 : 0 # where the driver could not stop it
  alarm_name          = "${var.name}-idle"
  alarm_description   = "The host has done nothing for an hour: it is stopped. `aidrug host start` brings it back."
  namespace           = "AWS/EC2"
  metric_name         = "CPUUtilization"
  dimensions          = { InstanceId = aws_instance.this.id }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 12
  comparison_operator = "LessThanThreshold"
  threshold           = 5
  treat_missing_data  = "missing" # a stopped host reports nothing
  alarm_actions       = ["arn:aws:automate:${var.region}:ec2:stop", var.topic_arn]
}
