"""The steps of a run as thin Prefect tasks: each makes one call of the engine."""
