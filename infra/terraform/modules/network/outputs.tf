output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "subnet_id" {
  description = "The subnet of the hosts."
  value       = aws_subnet.public.id
}
