output "document_name" {
  description = "The SSM document."
  value       = aws_ssm_document.deploy.name
}

output "reader_role_arn" {
  description = "Role of continuous integration."
  value       = aws_iam_role.this["read"].arn
}

output "role_arn" {
  description = "Role of the delivery workflow."
  value       = aws_iam_role.this["deliver"].arn
}
