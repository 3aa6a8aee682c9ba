"""AWS CodePipeline's webhooks, self-hosted."""

__version__ = "0.1.0"
