from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clozone.kit.ids import new_id
from clozone.llm.request import LlmRequest
from clozone.settings import Settings

FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {}}}
ORG = new_id()


def request(text: str = "Hello", **fields: Any) -> LlmRequest:
    told: dict[str, Any] = {"purpose": "a test", "response_format": FORMAT} | fields
    return LlmRequest(ORG, messages=[{"role": "user", "content": text}], **told)


def test_equal_content_has_one_key_whoever_asks_and_whatever_for():
    key = request().cache_key(Settings())
    assert len(key) == 32
    elsewhere = request(purpose="another", session_id=new_id(), job_id=new_id())
    assert elsewhere.cache_key(Settings()) == key
    turned = {"json_schema": FORMAT["json_schema"], "type": "json_schema"}
    assert request(response_format=turned).cache_key(Settings()) == key


def test_whatever_decides_the_answer_changes_the_key():
    keys = {
        request().cache_key(Settings()),
        request("Hello ").cache_key(Settings()),
        request(response_format=FORMAT | {"type": "text"}).cache_key(Settings()),
        request().cache_key(Settings(llm_model="another")),
        request().cache_key(Settings(llm_max_output_tokens=1)),
    }
    assert len(keys) == 5


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_no_byte_level_tokeniser_makes_more_tokens_of_it(text):
    assert request(text).most_prompt_tokens() > len(text.encode())
