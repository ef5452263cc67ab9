"""What must outlive the process, in SQL: keys, secrets, configuration, history."""
