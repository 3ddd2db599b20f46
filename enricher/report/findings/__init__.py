"""Findings: failures of output records, grouped by their causes, with the evidence and what to change."""
