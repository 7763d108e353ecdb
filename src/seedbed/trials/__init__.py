"""Study file -> plan -> executors -> results table."""
