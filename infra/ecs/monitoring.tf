# What is watched: the two services, the runs, the stores, the money.

module "budget" {
  source = "../terraform/modules/budget"

  name        = var.name
  monthly_usd = var.monthly_budget_usd
  alert_email = var.alert_email
}

module "alarms" {
  source = "../terraform/modules/alarms"

  name        = var.name
  namespace   = var.name
  alert_email = var.alert_email

  counted = {
    # A run's own last line. It is there also when a step's task was lost: the run follows its steps.
    RunsFailed = { log_group = aws_cloudwatch_log_group.this.name, pattern = "\"RUN_FAILURE\"" }
    # The daemon's line when the run's own task is gone, or never began: out of memory, no image, no capacity.
    RunsLost = { log_group = aws_cloudwatch_log_group.this.name, pattern = "?\"Detected run worker status\" ?\"Run timed out\"" }
  }

  alarms = merge(
    # Each task reports its processor once a minute: how many numbers there are is how many tasks run. Ten minutes,
    # because a delivery ends the old task before it fetches the image of the new one, a gigabyte.
    { for name in local.services : "${name}-down" => {
      namespace = "AWS/ECS", metric = "CPUUtilization", dimensions = { ClusterName = var.name, ServiceName = name }
      statistic = "SampleCount", period = 60, periods = 10, below = 1, missing = "breaching"
      text      = "No task of the service ${name} has run for ten minutes: `terraform -chdir=infra/ecs output -raw next_steps` says where to look."
    } },
    { for name in local.services : "${name}-memory" => {
      namespace = "AWS/ECS", metric = "MemoryUtilization", dimensions = { ClusterName = var.name, ServiceName = name }
      statistic = "Maximum", periods = 3, above = 90
      text      = "The service ${name} is near the memory at which it is killed: raise it in infra/ecs/services.tf."
    } },
    {
      training-failed = {
        metric = "RunsFailed", above = 0
        text   = "A run failed; what served before still serves. Dagster's page of the run says which step."
      }
      run-lost = {
        metric = "RunsLost", above = 0
        text   = "The task of a run ended by itself or never began; it is tried once more. Dagster's page of the run has ECS's reason: out of memory asks for another step_memory."
      }
      database-disk = {
        namespace = "AWS/RDS", metric = "FreeStorageSpace", dimensions = { DBInstanceIdentifier = var.name }
        statistic = "Minimum", periods = 3, below = 1073741824 * 0.08 * var.postgres_gib # below 10 % it should have grown
        text      = "The database's disk is nearly full, and has grown as far as it may: raise postgres_gib."
      }
      database-busy = {
        namespace = "AWS/RDS", metric = "CPUUtilization", dimensions = { DBInstanceIdentifier = var.name }
        statistic = "Average", periods = 6, above = 80
        text      = "The database's processor has been busy for half an hour: take a larger postgres_class."
      }
      files-slow = {
        namespace = "AWS/EFS", metric = "BurstCreditBalance", dimensions = { FileSystemId = aws_efs_file_system.home.id }
        statistic = "Minimum", period = 3600, below = 200000000000 # of 2.3 TB at first: enough for a night of 10 MB/s
        text      = "The shared files are soon read at the pace of their size, 50 kB/s for each GB: set throughput_mode = \"elastic\" in infra/ecs/stores.tf."
      }
    },
  )
}
