output "cluster" {
  description = "The cluster."
  value       = aws_ecs_cluster.this.name
}

output "run_task_definition" {
  description = "The task definition of runs and steps."
  value       = aws_ecs_task_definition.this["run"].arn
}

output "next_steps" {
  description = "What to do next; copy line by line."
  value       = <<-STEPS
    # Whether both services run:
    aws ecs describe-services --region ${var.region} --cluster ${aws_ecs_cluster.this.name} --services mlflow dagster --query 'services[].[serviceName,runningCount,desiredCount]' --output text
    # What they say:
    aws logs tail --region ${var.region} ${aws_cloudwatch_log_group.this.name} --follow
    # Dagster's UI on http://localhost:3000, through SSM, without an open port:
    TASK=$(aws ecs list-tasks --region ${var.region} --cluster ${aws_ecs_cluster.this.name} --service-name dagster --query 'taskArns[0]' --output text)
    RUNTIME=$(aws ecs describe-tasks --region ${var.region} --cluster ${aws_ecs_cluster.this.name} --tasks "$TASK" --query "tasks[0].containers[?name=='webserver'].runtimeId | [0]" --output text)
    aws ssm start-session --region ${var.region} --target "ecs:${aws_ecs_cluster.this.name}_$${TASK##*/}_$RUNTIME" --document-name AWS-StartPortForwardingSession --parameters portNumber=3000,localPortNumber=3000
  STEPS
}
