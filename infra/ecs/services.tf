# The cluster and what runs on it: MLflow, Dagster (code server, webserver and daemon in one task), and, started by
# Dagster, a task for each run and each step.

locals {
  image   = "${var.image_repository}/pipeline:${var.image_tag}"
  home    = "/var/lib/aidrug/home"
  tracker = "mlflow.${aws_service_discovery_private_dns_namespace.this.name}"

  services = ["mlflow", "dagster"] # of the tasks below, those that stay

  postgres = {
    AIDRUG_POSTGRES_HOST = aws_db_instance.this.address
    AIDRUG_POSTGRES_PORT = tostring(aws_db_instance.this.port)
    AIDRUG_POSTGRES_USER = aws_db_instance.this.username
    PGSSLMODE            = "require"
  }
  environment = {
    mlflow = merge(local.postgres, {
      AWS_DEFAULT_REGION  = var.region
      AIDRUG_HOME         = "/tmp/home"
      AIDRUG_BIND         = "0.0.0.0"
      AIDRUG_ARTIFACTS    = "s3://${var.buckets["artifacts"]}/mlflow"
      AIDRUG_MLFLOW_HOSTS = "${local.tracker}:5000"
    })
    pipeline = merge(local.postgres, {
      AWS_DEFAULT_REGION              = var.region
      DAGSTER_HOME                    = "/app/infra/ecs"
      LOGS_BUCKET                     = var.buckets["logs"]
      AIDRUG_HOME                     = local.home
      AIDRUG_EXECUTOR                 = "ecs"
      AIDRUG_STEP_CPU                 = tostring(var.step_cpu)
      AIDRUG_STEP_MEMORY              = tostring(var.step_memory)
      AIDRUG_STORE                    = "s3://${var.buckets["bundles"]}/store"
      AIDRUG_LEDGER                   = "s3://${var.buckets["bundles"]}/ledger"
      AIDRUG_SERVICE_URL              = var.service_url
      MLFLOW_TRACKING_URI             = "http://${local.tracker}:5000"
      MLFLOW_HTTP_REQUEST_MAX_RETRIES = "7"
      OMP_NUM_THREADS                 = tostring(max(1, var.step_cpu / 1024))
      # The family: its newest revision is taken when Dagster starts. Its own address it cannot name.
      AIDRUG_RUN_TASK_DEFINITION = "${var.name}-run"
    })
  }

  # What every container has. The image's own entry point would come before the command that Dagster gives a run.
  container = {
    image      = local.image
    entryPoint = ["env"]
    essential  = true
    user       = "10001:10001"
    secrets    = [{ name = "AIDRUG_POSTGRES_PASSWORD", valueFrom = aws_ssm_parameter.postgres_password.arn }]
    linuxParameters = {
      initProcessEnabled = true
      capabilities       = { drop = ["ALL"], add = [] }
    }
    stopTimeout = 120
  }
  credentials = var.registry_secret_arn == "" ? {} : { repositoryCredentials = { credentialsParameter = var.registry_secret_arn } }
  log = { for stream in ["mlflow", "dagster", "run"] : stream => {
    logDriver = "awslogs"
    options = {
      awslogs-group         = aws_cloudwatch_log_group.this.name
      awslogs-region        = var.region
      awslogs-stream-prefix = stream
    }
  } }
  files = [{ sourceVolume = "home", containerPath = local.home, readOnly = false }]

  tasks = {
    mlflow = {
      role = "mlflow", cpu = 512, memory = 2048, files = false
      containers = [merge(local.container, local.credentials, {
        name              = "mlflow"
        command           = ["aidrug", "start", "mlflow"]
        environment       = [for key, value in local.environment.mlflow : { name = key, value = value }]
        logConfiguration  = local.log["mlflow"]
        portMappings      = [{ containerPort = 5000, hostPort = 5000, protocol = "tcp" }]
        memoryReservation = 1024
        healthCheck = {
          command     = ["CMD", "python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:5000/health', timeout=4)"]
          interval    = 15
          timeout     = 5
          retries     = 4
          startPeriod = 300
        }
      })]
    }
    dagster = {
      role = "pipeline", cpu = 1024, memory = 4096, files = true
      containers = [
        for name, options in {
          code = { dependsOn = [], healthCheck = {
            command     = ["CMD", "python", "-c", "import socket; socket.create_connection(('127.0.0.1', 4000), 4)"]
            interval    = 15
            timeout     = 5
            retries     = 4
            startPeriod = 300
          } }
          webserver = { dependsOn = [{ containerName = "code", condition = "HEALTHY" }], healthCheck = null }
          daemon    = { dependsOn = [{ containerName = "code", condition = "HEALTHY" }], healthCheck = null }
          } : merge(local.container, local.credentials, { for key, value in options : key => value if value != null }, {
            name              = name
            command           = ["aidrug", "start", name]
            environment       = [for key, value in local.environment.pipeline : { name = key, value = value }]
            logConfiguration  = local.log["dagster"]
            mountPoints       = local.files
            memoryReservation = 512
        })
      ]
    }
    run = {
      role = "pipeline", cpu = 512, memory = 2048, files = true # a run only follows its steps; each asks for more
      containers = [merge(local.container, local.credentials, {
        name              = "run"
        command           = ["aidrug", "plan"]
        environment       = [for key, value in local.environment.pipeline : { name = key, value = value }]
        logConfiguration  = local.log["run"]
        mountPoints       = local.files
        memoryReservation = 1024
      })]
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_158:encrypted by CloudWatch's own key; no structure of a molecule is ever logged
  # checkov:skip=CKV_AWS_338:what is older than a month is in Dagster's own records
  name              = "/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_ecs_cluster" "this" {
  # checkov:skip=CKV_AWS_65:container insights cost more than they tell here
  name = var.name
}

resource "aws_ecs_task_definition" "this" {
  # checkov:skip=CKV_AWS_336:data are pulled into /app, and Dagster writes its workspace; both go with the task
  # checkov:skip=CKV_AWS_249:the role that starts a task is another one than the role it works with
  for_each                 = local.tasks
  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  execution_role_arn       = aws_iam_role.start.arn
  task_role_arn            = aws_iam_role.task[each.value.role].arn
  container_definitions    = jsonencode(each.value.containers)

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = upper(var.architecture)
  }

  dynamic "volume" {
    for_each = each.value.files ? ["home"] : []

    content {
      name = volume.value

      efs_volume_configuration {
        file_system_id     = aws_efs_file_system.home.id
        transit_encryption = "ENABLED"

        authorization_config {
          access_point_id = aws_efs_access_point.home.id
          iam             = "ENABLED"
        }
      }
    }
  }
}

resource "aws_ecs_service" "this" {
  # checkov:skip=CKV_AWS_333:without a NAT gateway the registry is reached through a public address; no port is open on it
  for_each               = toset(local.services)
  name                   = each.key
  cluster                = aws_ecs_cluster.this.id
  task_definition        = aws_ecs_task_definition.this[each.key].arn
  desired_count          = 1
  launch_type            = "FARGATE"
  enable_execute_command = true

  # The old one ends before the new one begins: never two daemons, never two revisions that judge each other's work.
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100

  network_configuration {
    subnets          = values(module.network.subnet_ids)
    security_groups  = [aws_security_group.tasks.id]
    assign_public_ip = true
  }

  dynamic "service_registries" {
    for_each = each.key == "mlflow" ? [aws_service_discovery_service.mlflow.arn] : []

    content {
      registry_arn = service_registries.value
    }
  }

  depends_on = [aws_efs_mount_target.home, aws_iam_role_policy.task, aws_iam_role_policy.start]
}
