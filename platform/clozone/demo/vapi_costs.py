"""What Vapi bills for a call, in its three forms."""

from typing import Any

from clozone.demo.content import DemoCall

Json = dict[str, Any]
# US dollars, of the order of the published prices.
TRANSCRIBER_PER_MINUTE = 0.01
VAPI_PER_MINUTE = 0.05
VOICE_PER_CHARACTER = 0.000036
PROMPT_TOKEN, COMPLETION_TOKEN = 0.00000015, 0.0000006
TOKENS_PER_WORD = 1.3
INSTRUCTION_TOKENS = 320


def costs(call: DemoCall) -> Json:
    """The cost members of a report: the total, with a list or a breakdown where Vapi gives one."""
    items = _items(call)
    total = round(sum(item["cost"] for item in items), 4)
    if call.payload.costs == "list":
        return {"cost": total, "costs": items}
    if call.payload.costs == "breakdown":
        return {"cost": total, "costBreakdown": _breakdown(items, total)}
    return {"cost": total}


def _items(call: DemoCall) -> list[Json]:
    minutes = round(call.duration_seconds / 60, 4)
    spoken = [turn.text for turn in call.turns if turn.speaker == "customer"]
    characters = sum(map(len, spoken))
    prompt, completion = _tokens(call)
    model = {"provider": "openai", "model": "gpt-4o-mini"}
    return [
        {"type": "transport", "provider": "daily", "minutes": minutes, "cost": 0},
        {
            "type": "transcriber",
            "transcriber": {"provider": "deepgram", "model": "nova-3"},
            "minutes": minutes,
            "cost": round(minutes * TRANSCRIBER_PER_MINUTE, 4),
        },
        {
            "type": "model",
            "model": model,
            "promptTokens": prompt,
            "completionTokens": completion,
            "cachedPromptTokens": prompt // 2,
            "cost": round(prompt * PROMPT_TOKEN + completion * COMPLETION_TOKEN, 4),
        },
        {
            "type": "voice",
            "voice": {"provider": "11labs", "voiceId": "burt"},
            "characters": characters,
            "cost": round(characters * VOICE_PER_CHARACTER, 4),
        },
        {
            "type": "vapi",
            "subType": "normal",
            "minutes": minutes,
            "cost": round(minutes * VAPI_PER_MINUTE, 4),
        },
    ]


def _tokens(call: DemoCall) -> tuple[int, int]:
    # Every answer of the voice agent reads all that was said before it.
    heard, prompt, completion = INSTRUCTION_TOKENS, 0, 0
    for turn in call.turns:
        tokens = round(len(turn.text.split()) * TOKENS_PER_WORD)
        if turn.speaker == "customer":
            prompt += heard
            completion += tokens
        heard += tokens
    return prompt, completion


def _breakdown(items: list[Json], total: float) -> Json:
    cost = {item["type"]: item["cost"] for item in items}
    model = next(item for item in items if item["type"] == "model")
    voice = next(item for item in items if item["type"] == "voice")
    return {
        "transport": cost["transport"],
        "stt": cost["transcriber"],
        "llm": cost["model"],
        "tts": cost["voice"],
        "vapi": cost["vapi"],
        "total": total,
        "llmPromptTokens": model["promptTokens"],
        "llmCompletionTokens": model["completionTokens"],
        "llmCachedPromptTokens": model["cachedPromptTokens"],
        "ttsCharacters": voice["characters"],
    }
