"""What the bundle's processes really run with, as the kernel tells it.

Neither this shell nor the home tells: `clozone reload` gives running processes other settings.
"""

from collections.abc import Iterable, Mapping

from clozone.drill.errors import DrillError
from clozone.local.identity import PROC, is_same
from clozone.local.parts import APPLICATION, part_of
from clozone.local.state import ProcessRecord

# What the proofs go by; where processes differ in it, a reload is under way or went only half way.
_MUST_AGREE = (
    *("DATABASE_URL", "REDIS_URL", "S3_ENDPOINT", "S3_BUCKET", "S3_REGION", "SPOOL_DIR"),
    *("JOB_LEASE_SECONDS", "LLM_MODEL", "LLM_TIMEOUT_SECONDS", "LLM_MAX_OUTPUT_TOKENS"),
)
# Of one process alone.
_OWN = frozenset({"CLOZONE_INSTANCE"})
_OURS = APPLICATION


def shared_environment(records: Iterable[ProcessRecord], model_url: str) -> dict[str, str]:
    """The environment that the worker runs with, once all our processes agree with it.

    Raises DrillError when one of them would ask another model than the one at `model_url`.
    """
    found = {each.name: _environment_of(each) for each in records if part_of(each.name) in _OURS}
    for name, environment in found.items():
        if (asked := environment.get("OPENAI_BASE_URL")) != model_url:
            raise DrillError(
                f"{name} asks the model at {asked or 'the provider'}, not the bundle's offline model. "
                "With a real model the drill would cost money, and nobody could count what was "
                "paid. Take OPENAI_API_KEY and OPENAI_BASE_URL away: clozone down, then clozone up."
            )
    worker = found["worker"]
    for name, environment in found.items():
        if other := [each for each in _MUST_AGREE if environment.get(each) != worker.get(each)]:
            raise DrillError(
                f"{name} and worker run with different settings: {', '.join(other)}. Give all "
                "processes the same by `clozone reload` first."
            )
    return {name: value for name, value in worker.items() if name not in _OWN}


def _environment_of(record: ProcessRecord) -> Mapping[str, str]:
    try:
        if record.pid is None or not is_same(record.pid, record.identity):
            raise ProcessLookupError
        process = PROC / str(record.pid)
        content, folder = (process / "environ").read_bytes(), (process / "cwd").readlink()
    except OSError as error:
        raise DrillError(
            f"What {record.name} runs with cannot be read ({error.strerror or 'it is not running'}), "
            "so the drill cannot know which model it asks. Try again when `clozone status` shows "
            "everything ready."
        ) from error
    pairs = (part.partition("=") for part in content.decode(errors="replace").split("\0") if part)
    environment = {name: value for name, _, value in pairs}
    if spool := environment.get("SPOOL_DIR"):
        environment["SPOOL_DIR"] = str(folder / spool)
    return environment
