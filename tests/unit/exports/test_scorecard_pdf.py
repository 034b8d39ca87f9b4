"""What a reader finds in the PDF."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO

import pytest
import scorecard_samples as samples
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from clozone.exports.scorecard import (
    BetterLine,
    CardItem,
    CardMetrics,
    CardReview,
    Quote,
    Scorecard,
    TalkSegment,
    render_scorecard,
)


def read(card: Scorecard) -> list[str]:
    """The text of each page, on one line."""
    pages = PdfReader(BytesIO(render_scorecard(card))).pages
    return [" ".join(page.extract_text().split()) for page in pages]


def text_of(card: Scorecard) -> str:
    return " ".join(read(card))


def fonts_of(card: Scorecard) -> dict[str, bool]:
    """Name of each font of the document, and whether it is embedded."""
    fonts = {}
    for page in PdfReader(BytesIO(render_scorecard(card))).pages:
        for reference in page["/Resources"]["/Font"].values():
            font = reference.get_object()
            name = font["/BaseFont"].rpartition("+")[2].lstrip("/")
            fonts[name] = "/FontFile2" in font.get("/FontDescriptor", {})
    return fonts


def test_a_usual_call_is_one_page_with_score_verdict_and_proof():
    (page,) = read(samples.STRONG)
    assert "Score 78 of 100 · pass mark 70" in page
    assert "✓ Passed" in page
    assert "Maya Chen · 24 Nov 2026 · 06:42 call" in page
    assert "22.5 / 30" in page
    assert "level 8 of 10" in page
    assert "00:42" in page
    assert "“So what does a missed delivery cost you today, roughly, in a month?”" in page
    assert "and 1 more quote in the session" in page
    assert "You closed with a date, a time and a second person." in page
    assert "Ask when the decision has to be made" in page
    assert "by gpt-6-luna · prompt evidence-3" in page
    assert samples.STRONG.session_id in page
    assert "Page 1 of 1" in page
    assert "fixed rules" not in page


def test_an_unsupported_item_is_not_counted_and_says_so():
    page = text_of(samples.STRONG)
    assert "2 of 3" in page
    assert "Checks that the concern is settled (quote not in the transcript: not counted)" in page


def test_a_blocker_and_the_offline_model_are_said_plainly():
    page = text_of(samples.WEAK)
    assert "⚠ Not passed: blocker" in page
    assert "a guaranteed saving was promised at 01:12." in page
    assert "⚠ Broken" in page
    assert "Scores come from fixed rules, not from a language model." in page
    assert "✓ Passed" not in page


def test_a_low_score_without_a_blocker_is_not_passed_yet():
    page = text_of(replace(samples.WEAK, blockers=()))
    assert "Not passed yet" in page
    assert "Blocker" not in page


def test_an_override_shows_both_scores_and_who_set_it():
    page = text_of(samples.OVERRIDDEN)
    assert "Score 81 of 100, set by Dana Weiss · AI score 62 · pass mark 70" in page
    assert "exactly what we practised" in page
    assert "final score" in page


def test_a_comment_without_an_override_keeps_the_ai_score():
    card = replace(samples.STRONG, review=CardReview("Dana Weiss", "Nice close."))
    page = text_of(card)
    assert "Score 78 of 100 · pass mark 70" in page
    assert "Nice close." in page
    assert "set by" not in page


def test_a_long_card_flows_on_with_a_running_head():
    pages = read(samples.LONG)
    assert len(pages) > 1
    assert all(f"Page {number} of {len(pages)}" in page for number, page in enumerate(pages, 1))
    assert "Maya Chen · Quarterly business review" in pages[1]
    for criterion in samples.LONG.criteria:
        assert sum(criterion.name in page for page in pages) == 1


@pytest.mark.parametrize("name", ["SPANISH", "RUSSIAN", "GREEK", "JAPANESE", "KOREAN"])
def test_other_languages_are_printed_in_full(name):
    card = getattr(samples, name)
    page = "".join(text_of(card).split())
    quote = card.criteria[0].quotes[0].text
    for words in (card.rep_name, card.scenario, quote, card.summary):
        assert "".join(words.split()) in page
    assert "□" not in page


def test_writing_that_cannot_be_printed_is_marked_and_explained():
    page = text_of(samples.ARABIC)
    assert "“□ □ □ □”" in page
    assert "□ stands for writing this page cannot print" in page


def test_markup_is_printed_as_the_words_it_is():
    page = text_of(samples.HOSTILE)
    assert "<b>Bobby</b> & 'Tables'" in page
    assert "<para><font size=90>&lt;&amp; ]]>" in page
    assert "<script>alert(1)</script>" in page


def test_measures_that_are_missing_are_left_out():
    card = replace(samples.STRONG, metrics=CardMetrics(questions=4), talk_strip=())
    page = text_of(card)
    assert "questions" in page
    assert "talk share" not in page
    assert "None" not in page
    assert "came without times" not in page
    assert "This call came without times" in text_of(samples.BARE)


def test_the_same_card_gives_the_same_bytes_from_any_thread():
    cards = [samples.STRONG, samples.JAPANESE, samples.LONG] * 2
    alone = [render_scorecard(card) for card in cards]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(render_scorecard, cards)) == alone
    assert alone[0] == alone[3]
    assert len(set(alone)) == 3


def test_the_document_says_what_it_is():
    reader = PdfReader(BytesIO(render_scorecard(samples.STRONG)))
    assert reader.metadata.title == (
        "Maya Chen: Cold call: fleet scheduling for a regional haulier, score 78"
    )
    assert reader.metadata.author == "Northwind Logistics"
    assert reader.root_object["/Lang"] == "en"


def test_every_font_is_ours_and_embedded_and_the_large_one_only_when_needed():
    assert fonts_of(samples.STRONG) == {"Inter-Regular": True, "Inter-SemiBold": True}
    assert fonts_of(samples.JAPANESE)["WenQuanYiMicroHei"] is True


ANY_TEXT = st.text(st.characters(), max_size=60) | st.sampled_from(
    ["W" * 5_000, "漢" * 3_000, "word " * 800, "&amp;<br/>", "\ud800", "", " "]
)


@settings(max_examples=25, deadline=None)
@given(text=st.lists(ANY_TEXT, min_size=6, max_size=6), repeat=st.integers(0, 14))
def test_no_text_breaks_the_page(text, repeat):
    first, second, third, fourth, fifth, sixth = text
    item = CardItem(first, True)
    card = replace(
        samples.OVERRIDDEN,
        organisation=first,
        rep_name=second,
        scenario=third,
        summary=fourth,
        model=fifth,
        prompt_version=sixth,
        blockers=(first,) * repeat,
        strengths=(second,) * repeat,
        next_steps=(third,) * repeat,
        better_lines=(BetterLine(fourth, fifth),) * repeat,
        review=CardReview(sixth, first, 50),
        criteria=(
            replace(
                samples.DISCOVERY,
                name=second,
                items=(item,) * repeat,
                quotes=(Quote(third),) * repeat,
                note=fourth,
            ),
        )
        * 3,
    )
    assert "Score 50 of 100" in text_of(card)


def test_odd_times_in_the_strip_do_no_harm():
    nan = float("nan")
    strip = (
        TalkSegment(nan, 3, "rep"),
        TalkSegment(9, 4, "rep"),
        TalkSegment(-5, 2, "customer"),
        TalkSegment(0, float("inf"), "rep"),
        TalkSegment(0.0001, 0.0002, "rep"),
    )
    assert "Customer" in text_of(replace(samples.STRONG, talk_strip=strip))
    assert "Customer" not in text_of(replace(samples.STRONG, talk_strip=strip[:2]))
