"""The report page of a batch run."""

from jobs.batch.report.page import report_page

__all__ = ["report_page"]
