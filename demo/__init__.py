"""The main job on the embedded default: three example tenants, a real Airflow, no accounts."""
