"""No function is more complex than the limit, comprehensions and boolean operators counted."""

from support.guards import CHECKOUT
from support.lines import too_complex

# Still to be made plainer. Nothing is added here; what is mended is taken out.
UNFINISHED = {
    "actions/archives.py _Links.leaves",
    "actions/build_outputs.py _selected",
    "actions/keeper.py _Keeper._wait",
    "actions/selection.py Pattern.parse",
    "commands/action_logs.py show_logs",
    "commands/action_logs.py _found",
    "commands/action_logs.py _show",
    "commands/aws_client.py current",
    "commands/build.py build",
    "commands/build.py _tell",
    "commands/try_filters.py try_filters",
    "config.py _shown",
    "jsonpath/arguments.py Cutter.take",
    "jsonpath/parser.py _Parser._arguments",
    "jsonpath/regex.py _Rewriter._set_body",
    "jsonpath/regex.py _Rewriter._spans",
    "jsonpath/steps.py _scan",
}


def test_no_function_is_too_complex() -> None:
    assert too_complex(CHECKOUT / "src").keys() == UNFINISHED
