"""What the operations of the API depend on."""

from dataclasses import dataclass

from hookline.api.pagination import PageTokens
from hookline.config import Settings
from hookline.sealing import Seal
from hookline.store.database import Database
from hookline.store.node_state import NodeState


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The store, the seal of secrets, the settings, and what tells receivers of a change."""

    database: Database
    seal: Seal
    state: NodeState
    settings: Settings
    page_tokens: PageTokens
