output "instance_id" {
  description = "The instance."
  value       = aws_instance.this.id
}

output "instance_arn" {
  description = "ARN of the instance."
  value       = aws_instance.this.arn
}

output "private_ip" {
  description = "Address inside the network; it stays when the host stops."
  value       = aws_instance.this.private_ip
}

output "public_ip" {
  description = "Address on the internet; empty when it is not fixed."
  value       = var.fixed_address ? aws_eip.this[0].public_ip : ""
}

output "security_group_id" {
  description = "Security group of the host."
  value       = aws_security_group.this.id
}


output "open_ports" {
  description = "Who reaches which port, as block:port, in order."
  value       = tolist(sort([for rule in values(var.ingress) : "${rule.cidr_block}:${rule.port}"]))
}
