import tests.prefect_home  # noqa: F401 - before anything imports Prefect
