# Secrets: Terraform makes the parameter, people put the value. A write-only value never reaches the state, neither the
# placeholder nor what replaces it, and a later apply does not touch it.

resource "aws_ssm_parameter" "secret" {
  # checkov:skip=CKV_AWS_337:encrypted by the account's aws/ssm key; a customer key costs money for the same readers
  for_each         = var.secrets
  name             = each.key
  description      = each.value
  type             = "SecureString"
  value_wo         = "unset"
  value_wo_version = 1

  lifecycle {
    ignore_changes = all # a changed description would write the placeholder over the value
  }
}
