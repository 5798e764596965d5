"""A deployment in AWS, seen from outside: hosts, deliveries, costs."""
