"""AWS CodePipeline's webhooks, self-hosted."""
