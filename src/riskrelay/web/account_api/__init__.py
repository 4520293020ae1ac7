"""The account API, as existing SDKs and a Terraform provider speak it."""
