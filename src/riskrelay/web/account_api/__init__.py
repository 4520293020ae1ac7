"""The account API, compatible with existing SDKs and a Terraform provider."""
