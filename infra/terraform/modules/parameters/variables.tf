variable "secrets" {
  description = "Description of each secret by its parameter's name."
  type        = map(string)
}
