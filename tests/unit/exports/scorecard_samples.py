"""Scorecards of calls of different kinds."""

from dataclasses import replace
from datetime import UTC, datetime

from clozone.exports.scorecard import (
    BetterLine,
    CardCriterion,
    CardItem,
    CardMetrics,
    CardReview,
    Quote,
    Scorecard,
    TalkSegment,
)

DISCOVERY = CardCriterion(
    name="Discovery",
    kind="checklist",
    weight=30,
    points=22.5,
    items=(
        CardItem("Asks about the budget", True),
        CardItem("Asks who else decides", True),
        CardItem("Asks about the current process", True),
        CardItem("Asks about the timeline", False),
    ),
    quotes=(
        Quote("So what does a missed delivery cost you today, roughly, in a month?", 42.0),
        Quote("Who besides you would sign off on a change like this?", 131.4),
        Quote("And what have you budgeted for it?", 150.0),
    ),
)
RAPPORT = CardCriterion(
    name="Rapport and listening",
    kind="scale",
    weight=20,
    points=15.6,
    level=8,
    quotes=(Quote("That sounds exhausting, three depots and one dispatcher.", 61.0),),
    note="Mirrors the customer's words before answering.",
)
OBJECTIONS = CardCriterion(
    name="Handles the price objection",
    kind="checklist",
    weight=30,
    points=20.0,
    items=(
        CardItem("Acknowledges the concern first", True),
        CardItem("Ties the price to the customer's own figures", True),
        CardItem("Checks that the concern is settled", True, unsupported=True),
    ),
    quotes=(Quote("Fair point. You said each late truck costs you four hundred euros.", 244.0),),
)
NEXT_STEP = CardCriterion(
    name="Agrees a next step",
    kind="yes_no",
    weight=20,
    points=20.0,
    observed=True,
    quotes=(Quote("Shall we say Thursday at ten, with your operations lead?", 372.0),),
)
HONEST = CardCriterion(name="Honest claims", kind="compliance", weight=0, points=0)

STRONG = Scorecard(
    session_id="01936b2e-7c4a-7b61-9d0e-2f5a8c1b4e77",
    organisation="Northwind Logistics",
    rep_name="Maya Chen",
    scenario="Cold call: fleet scheduling for a regional haulier",
    called_at=datetime(2026, 11, 24, 9, 4, tzinfo=UTC),
    duration_seconds=402.0,
    ai_score=78,
    passed=True,
    pass_score=70,
    model="gpt-6-luna",
    prompt_version="evidence-3",
    graded_at=datetime(2026, 11, 24, 9, 12, tzinfo=UTC),
    summary=(
        "Maya opened with a question about missed deliveries, let the customer do the sums, and "
        "answered the price objection with the customer's own figure. The call ended with a meeting "
        "in the calendar."
    ),
    criteria=(DISCOVERY, RAPPORT, OBJECTIONS, NEXT_STEP, HONEST),
    metrics=CardMetrics(0.43, 38.0, 11, 1.6, 9, 1.3, 5.4, 1),
    talk_strip=tuple(
        TalkSegment(
            start, start + (9 if index % 2 else 6 + index % 5), "customer" if index % 2 else "rep"
        )
        for index, start in enumerate(range(0, 396, 11))
    ),
    strengths=(
        "Your first question was about their cost, not about our product.",
        "You gave the price without apologising for it, then waited.",
        "You closed with a date, a time and a second person.",
    ),
    next_steps=(
        "Ask when the decision has to be made: you left the timeline open.",
        "After answering an objection, check that it is settled before you move on.",
    ),
    better_lines=(
        BetterLine(
            "We are much cheaper than the others, really.",
            "You told me a late truck costs four hundred euros. At two a week, the first month pays "
            "for the year.",
            238.0,
        ),
    ),
)

WEAK = replace(
    STRONG,
    rep_name="Jonas Weber",
    ai_score=31,
    passed=False,
    model="clozone-offline-1",
    summary="Jonas talked for most of the call and promised a saving that nobody can promise.",
    blockers=("Honest claims: a guaranteed saving was promised at 01:12.",),
    criteria=(
        replace(
            DISCOVERY,
            points=7.5,
            items=tuple(
                CardItem(item.text, index == 0) for index, item in enumerate(DISCOVERY.items)
            ),
            quotes=DISCOVERY.quotes[:1],
        ),
        replace(
            RAPPORT,
            points=4.4,
            level=3,
            note="",
            quotes=(Quote("Yes, yes, anyway, let me show you.", 88.0),),
        ),
        replace(
            OBJECTIONS,
            points=0,
            items=tuple(CardItem(item.text, False) for item in OBJECTIONS.items),
            quotes=(),
        ),
        replace(NEXT_STEP, points=20, unsupported=False),
        replace(
            HONEST,
            broken=True,
            quotes=(Quote("I guarantee you will cut your costs by half.", 72.0),),
        ),
    ),
    metrics=CardMetrics(0.81, 194.0, 2, 0.3, 41, 6.1, 1.2, 7),
    strengths=(),
)

OVERRIDDEN = replace(
    STRONG,
    ai_score=62,
    passed=True,
    review=CardReview(
        "Dana Weiss",
        "The AI missed the moment at 04:04: putting the customer's own number back on the table is "
        "exactly what we practised. Well done, keep doing that.",
        override_score=81,
    ),
)

LONG = replace(
    STRONG,
    scenario="Quarterly business review with a customer who is thinking about leaving",
    duration_seconds=5_460.0,
    criteria=tuple(
        replace(base, name=f"{base.name} {number}")
        for number in range(1, 4)
        for base in (DISCOVERY, RAPPORT, OBJECTIONS, NEXT_STEP, HONEST)
    ),
    talk_strip=tuple(
        TalkSegment(start, start + 7.5 + start % 3, "rep" if index % 3 else "customer")
        for index, start in enumerate(range(0, 5_440, 10))
    ),
)


def quoting(rep_name: str, scenario: str, quote: str, text: str) -> Scorecard:
    """A card whose words are in another language."""
    return replace(
        STRONG,
        rep_name=rep_name,
        scenario=scenario,
        summary=text,
        criteria=(
            replace(DISCOVERY, quotes=(Quote(quote, 42.0), Quote(quote, 99.0))),
            replace(RAPPORT, note=text, quotes=(Quote(quote, 61.0),)),
        ),
        strengths=(text, quote),
        next_steps=(text,),
        better_lines=(BetterLine(quote, text, 12.0),),
    )


SPANISH = quoting(
    "Íñigo Ñúñez",
    "Llamada en frío: gestión de flotas",
    "¿Cuánto le cuesta una entrega fallida al mes, más o menos?",
    "Abrió con una pregunta sobre los costes y dejó que el cliente hiciera las cuentas.",
)
RUSSIAN = quoting(
    "Анна Щербакова",
    "Холодный звонок: планирование перевозок",
    "Во сколько вам обходится опоздание одной машины?",
    "Анна начала с вопроса о расходах и дала клиенту посчитать самому.",
)
GREEK = quoting(
    "Ελένη Παππά",
    "Πρώτη επαφή",
    "Πόσο σας κοστίζει μια καθυστέρηση;",
    "Ξεκίνησε με ερώτηση για το κόστος.",
)
JAPANESE = quoting(
    "田中 さくら",
    "新規開拓の電話：配送計画ソフトのご提案",
    "配送が一件遅れると、月にどのくらいの費用がかかっていますか。ご担当の方にもお話を伺えますでしょうか。",
    "最初に費用について質問し、お客様ご自身に計算していただいた点が良かったです。Next time, ask about the timeline も忘れずに。",
)
KOREAN = quoting(
    "김서연",
    "콜드콜: 배차 관리",
    "배송이 한 번 늦어지면 한 달에 비용이 얼마나 드나요?",
    "비용에 대한 질문으로 시작해서 고객이 직접 계산하도록 했습니다.",
)
ARABIC = quoting("ليلى حسن", "مكالمة أولى", "كم تكلفكم الشحنة المتأخرة؟", "بدأت بسؤال عن التكلفة.")
HOSTILE = quoting(
    "<b>Bobby</b> & 'Tables'",
    "x" * 400,
    "<para><font size=90>&lt;&amp; ]]> \x00\x07\ud800 👩‍👩‍👧 \u202eevil\u202c " + "W" * 900,
    "👍🏽" * 50 + "\n\t\r" + "<script>alert(1)</script>" + "漢" * 2_000,
)
BARE = replace(
    STRONG,
    duration_seconds=None,
    metrics=CardMetrics(),
    talk_strip=(),
    summary="",
    criteria=(replace(NEXT_STEP, quotes=(Quote("Shall we say Thursday?"),)),),
    strengths=(),
    next_steps=(),
    better_lines=(),
)
