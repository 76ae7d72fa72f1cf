"""Sharing an audit: a view and a workspace a finding on the same database, and a bundle for another machine."""
