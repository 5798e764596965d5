variable "name" {
  description = "Prefix of the buckets; the account's ID follows, since bucket names are unique in the world."
  type        = string
}

variable "keep_data_on_destroy" {
  description = "Whether a bucket that holds something refuses to be destroyed."
  type        = bool
}
