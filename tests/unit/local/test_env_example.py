import shlex

from clozone.cli.processes import render_env_example
from clozone.settings import Settings


def _assignments() -> dict[str, str]:
    """What a shell would set if every line were taken out of its comment."""
    lines = [line[1:] for line in render_env_example().splitlines() if line.startswith("#")]
    set_by_shell = [shlex.split(line) for line in lines if line[:1].isupper()]
    assert all(len(words) == 1 for words in set_by_shell), set_by_shell
    return dict(words[0].split("=", 1) for words in set_by_shell)


def test_every_line_can_be_sourced_by_a_shell() -> None:
    assignments = _assignments()
    assert assignments["RATE_LIMIT_API"] == "100 per 15 minutes"
    assert assignments["VAPI_WEBHOOK_HMAC_PAYLOAD"] == "{timestamp}.{body}"


def test_every_setting_is_named() -> None:
    assert {name.upper() for name in Settings.model_fields} <= _assignments().keys()
