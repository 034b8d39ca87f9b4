"""The sentences that the rules can write, in the languages they can write them in."""

from collections.abc import Sequence
from dataclasses import dataclass

LISTED = 4


@dataclass(frozen=True)
class Phrasebook:
    """Texts of one language; braces are filled in. `notes` is indexed by the rule that matched."""

    notes: tuple[str, str, str, str]
    summary: str
    summary_missing: str
    next_step: str
    more_of: str
    avoid: str
    better: str
    instead_of_a_promise: str

    def note(self, observed: bool, rule: int) -> str:
        """Why something counts as observed, or that nothing shows it (rule 0)."""
        return self.notes[rule if observed else 0]

    def summarise(
        self, spoken: int, turns: int, shown: Sequence[str], missing: Sequence[str]
    ) -> str:
        """Two sentences: what was found, and what was not."""
        found = self.summary.format(
            spoken=spoken,
            turns=turns,
            shown=len(shown),
            points=len(shown) + len(missing),
            listed=_listed(shown),
        )
        left_out = self.summary_missing.format(listed=_listed(missing))
        return f"{found} {left_out}" if missing else found


ENGLISH = Phrasebook(
    notes=(
        "No sentence of the rep shows this.",
        "The rep says this in the words of an example.",
        "The rep says this in words close to an example.",
        "A sentence of the rep fits the description.",
    ),
    summary="The rep spoke in {spoken} of {turns} turns; {shown} of {points} points were found: {listed}.",
    summary_missing="Not found: {listed}.",
    next_step="Next call: {text}. Something like “{example}”.",
    more_of="More of this: {text}. Something like “{example}”.",
    avoid="Leave this out: “{quote}” ({text}).",
    better="Something like: “{example} …”",
    instead_of_a_promise="I cannot promise that; what I can do is tell you what we know.",
)

PHRASEBOOKS = {
    "en": ENGLISH,
    "es": Phrasebook(
        notes=(
            "Ninguna frase del vendedor lo muestra.",
            "El vendedor lo dice con las palabras de un ejemplo.",
            "El vendedor lo dice con palabras cercanas a un ejemplo.",
            "Una frase del vendedor encaja con la descripción.",
        ),
        summary="El vendedor habló en {spoken} de {turns} turnos; se hallaron {shown} de {points} puntos: {listed}.",
        summary_missing="No se halló: {listed}.",
        next_step="Próxima llamada: {text}. Algo como «{example}».",
        more_of="Más de esto: {text}. Algo como «{example}».",
        avoid="No vuelva a decir: «{quote}» ({text}).",
        better="Algo como: «{example} …»",
        instead_of_a_promise="Eso no se lo puedo prometer; sí puedo decirle lo que sabemos.",
    ),
    "de": Phrasebook(
        notes=(
            "Kein Satz im Gespräch zeigt das.",
            "Mit den Worten eines Beispiels gesagt.",
            "Mit Worten nahe an einem Beispiel gesagt.",
            "Ein Satz passt zur Beschreibung.",
        ),
        summary="Sie sprachen in {spoken} von {turns} Beiträgen; {shown} von {points} Punkten wurden gefunden: {listed}.",
        summary_missing="Nicht gefunden: {listed}.",
        next_step="Nächstes Gespräch: {text}. Etwa „{example}“.",
        more_of="Mehr davon: {text}. Etwa „{example}“.",
        avoid="Lassen Sie das weg: „{quote}“ ({text}).",
        better="Etwa: „{example} …“",
        instead_of_a_promise="Versprechen kann ich das nicht; ich sage Ihnen, was wir wissen.",
    ),
    "fr": Phrasebook(
        notes=(
            "Aucune phrase du vendeur ne le montre.",
            "Le vendeur le dit avec les mots d’un exemple.",
            "Le vendeur le dit avec des mots proches d’un exemple.",
            "Une phrase du vendeur correspond à la description.",
        ),
        summary="Le vendeur a parlé dans {spoken} tours sur {turns} ; {shown} points sur {points} ont été trouvés : {listed}.",
        summary_missing="Non trouvé : {listed}.",
        next_step="Prochain appel : {text}. Par exemple « {example} ».",
        more_of="Davantage de ceci : {text}. Par exemple « {example} ».",
        avoid="À ne plus dire : « {quote} » ({text}).",
        better="Par exemple : « {example} … »",
        instead_of_a_promise="Je ne peux pas le promettre ; je peux vous dire ce que nous savons.",
    ),
}


def _listed(texts: Sequence[str]) -> str:
    more = "; …" if len(texts) > LISTED else ""
    return ("; ".join(texts[:LISTED]) or "–") + more


def phrasebook(language: str) -> Phrasebook:
    """The texts of a language, or the English ones."""
    return PHRASEBOOKS.get(language, ENGLISH)
