"""The relay: hears of videos that have arrived, and tells the Prefect server, once for each."""
