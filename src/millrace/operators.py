"""Operators in Airflow's form: ``from millrace.operators import BashOperator``."""

from millrace.authoring.operators import BashOperator, EmptyOperator, PythonOperator

__all__ = ["BashOperator", "EmptyOperator", "PythonOperator"]
