"""Settings of the kernels that execute the chapters."""

c = get_config()  # noqa: F821 (Jupyter puts it there)
c.InlineBackend.figure_formats = {"svg"}
c.HistoryManager.enabled = False
c.Application.log_level = "ERROR"
