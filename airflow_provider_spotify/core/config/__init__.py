"""Configuration: one YAML per tenant becomes one frozen TenantPlan."""
