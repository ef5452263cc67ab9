"""Avatars from photos over REST: jobs, the process of each, and drafts."""
