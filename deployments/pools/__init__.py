"""Work pools: from what workers make the process, container or pod of a run."""
