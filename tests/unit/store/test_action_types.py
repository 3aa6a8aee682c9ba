"""The pages that the settings of a custom action type lead to."""

import pytest

from hookline.model import ActionType
from hookline.store.action_types import CustomActionType

CUSTOM = CustomActionType(
    ActionType("Build", "Custom", "Jenkins", "1"),
    {
        "settings": {
            "entityUrlTemplate": "{Config:Server}/job/{Config:Job}",
            "executionUrlTemplate": "https://ci.example.com/{ExternalExecutionId}",
            "thirdPartyConfigurationUrl": "https://ci.example.com/",
        }
    },
)
CONFIGURATION = {"Server": "https://ci.example.com", "Job": "nightly/main"}


@pytest.mark.parametrize(
    ("name", "configuration", "external_id", "link"),
    [
        ("entityUrlTemplate", CONFIGURATION, None, "https://ci.example.com/job/nightly/main"),
        ("executionUrlTemplate", {}, "7", "https://ci.example.com/7"),
        (
            "executionUrlTemplate",
            {},
            "{ExternalExecutionId}",
            "https://ci.example.com/{ExternalExecutionId}",
        ),
        ("thirdPartyConfigurationUrl", {}, None, "https://ci.example.com/"),
        ("executionUrlTemplate", CONFIGURATION, None, None),
        ("revisionUrlTemplate", CONFIGURATION, "7", None),
        ("entityUrlTemplate", {"Server": "https://ci.example.com"}, None, None),
        ("entityUrlTemplate", {**CONFIGURATION, "Job": "#{variables.job}"}, None, None),
        ("entityUrlTemplate", {**CONFIGURATION, "Server": "javascript:x"}, None, None),
    ],
)
def test_a_template_leads_to_a_page_once_all_of_it_is_known(
    name: str, configuration: dict[str, str], external_id: str | None, link: str | None
) -> None:
    assert CUSTOM.link(name, configuration, external_id) == link
