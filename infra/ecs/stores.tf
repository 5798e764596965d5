# What stays: records in Postgres, files on a shared file system. Bundles, artefacts, data and output lie in S3.

# Made here, written to the parameter, read back for the database: the password is in no state and no plan.
ephemeral "aws_secretsmanager_random_password" "postgres" {
  password_length     = 40
  exclude_punctuation = true # Dagster writes it into an address
}

resource "aws_ssm_parameter" "postgres_password" {
  # checkov:skip=CKV_AWS_337:encrypted by the account's aws/ssm key; a customer key costs money for the same readers
  name             = "/${var.name}/postgres-password"
  description      = "Password of the database of ${var.name}"
  type             = "SecureString"
  value_wo         = ephemeral.aws_secretsmanager_random_password.postgres.random_password
  value_wo_version = var.password_version
}

ephemeral "aws_ssm_parameter" "postgres_password" {
  arn = aws_ssm_parameter.postgres_password.arn
}

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = values(module.network.subnet_ids)
}

resource "aws_db_instance" "this" {
  # checkov:skip=CKV_AWS_129:the server's log tells what Dagster's and MLflow's own logs tell
  # checkov:skip=CKV_AWS_118:enhanced monitoring costs more than the server
  # checkov:skip=CKV_AWS_157:a second server in another zone doubles the price; a restore takes minutes
  # checkov:skip=CKV_AWS_161:the password never leaves the parameter; tokens would have to be renewed in every process
  # checkov:skip=CKV_AWS_293:kept by keep_data_on_destroy
  # checkov:skip=CKV_AWS_353:the server is small enough to be looked at by hand
  # checkov:skip=CKV2_AWS_30:statements hold no secret, and are not needed
  # checkov:skip=CKV2_AWS_60:the copies' tags matter to nobody
  identifier                 = var.name
  engine                     = "postgres"
  engine_version             = "16"
  instance_class             = var.postgres_class
  allocated_storage          = var.postgres_gib
  max_allocated_storage      = 5 * var.postgres_gib
  storage_type               = "gp3"
  storage_encrypted          = true
  db_name                    = "dagster" # MLflow's own is made by `aidrug start mlflow`
  username                   = "aidrug"
  password_wo                = ephemeral.aws_ssm_parameter.postgres_password.value
  password_wo_version        = var.password_version
  db_subnet_group_name       = aws_db_subnet_group.this.name
  vpc_security_group_ids     = [aws_security_group.stores.id]
  publicly_accessible        = false
  backup_retention_period    = 7
  auto_minor_version_upgrade = true
  deletion_protection        = var.keep_data_on_destroy
  skip_final_snapshot        = !var.keep_data_on_destroy
  final_snapshot_identifier  = "${var.name}-last"
  apply_immediately          = true
}

# AIDRUG_HOME of every task: datasets, features, trained models and the ledger, each file written once and renamed.
resource "aws_efs_file_system" "home" {
  # checkov:skip=CKV_AWS_184:encrypted by the account's own key; a customer key costs money and protects from nobody else
  creation_token = var.name
  encrypted      = true

  lifecycle_policy {
    transition_to_ia = "AFTER_30_DAYS"
  }
  lifecycle_policy {
    transition_to_primary_storage_class = "AFTER_1_ACCESS"
  }

  tags = { Name = var.name }
}

resource "aws_efs_backup_policy" "home" {
  file_system_id = aws_efs_file_system.home.id

  backup_policy {
    status = "ENABLED" # daily, kept for 35 days
  }
}

resource "aws_efs_mount_target" "home" {
  for_each        = module.network.subnet_ids
  file_system_id  = aws_efs_file_system.home.id
  subnet_id       = each.value
  security_groups = [aws_security_group.stores.id]
}

# The only way in: as the user of the images, to one folder.
resource "aws_efs_access_point" "home" {
  file_system_id = aws_efs_file_system.home.id

  posix_user {
    uid = 10001
    gid = 10001
  }
  root_directory {
    path = "/home"

    creation_info {
      owner_uid   = 10001
      owner_gid   = 10001
      permissions = "0750"
    }
  }

  tags = { Name = var.name }
}
