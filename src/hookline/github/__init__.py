"""GitHub's side of a webhook: the hooks of a repository, at the one address the operator set.

PyGithub is slow to import: import this where it is used.
"""

from hookline.github.events import events_of
from hookline.github.hooks import Access, Hook, place, remove

__all__ = ["Access", "Hook", "events_of", "place", "remove"]
