"""The ground floor: everything an import does, without Airflow."""
