output "document_name" {
  description = "The SSM document."
  value       = aws_ssm_document.deploy.name
}

output "role_arn" {
  description = "Role of the delivery workflow."
  value       = aws_iam_role.deliver.arn
}
