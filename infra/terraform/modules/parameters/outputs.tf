output "arns" {
  description = "ARN of each secret by its parameter's name."
  value       = { for name, parameter in aws_ssm_parameter.secret : name => parameter.arn }
}
