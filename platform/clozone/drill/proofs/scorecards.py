"""Every gradable session has one scorecard in the object store, and it shows the score."""

import importlib
import io
from collections import defaultdict
from types import ModuleType
from typing import Any
from uuid import UUID

from clozone.drill.evidence import Evidence, Proof


def prove_scorecards(evidence: Evidence) -> Proof:
    """One export row and one object for each gradable session, and no object besides."""
    proof = Proof("scorecards", "every gradable session has one whole PDF")
    objects = {
        key: size
        for organisation in evidence.world
        for key, size in evidence.objects.under(f"{organisation.id}/scorecards/").items()
    }
    exports = _exports(evidence)
    reader = _pdf_reader()
    read = whole_pdfs = 0
    for call_id, session_id, score in _sessions(evidence):
        call = evidence.call_ids[call_id]
        name = f"session {session_id} of call {call.number}"
        wanted = 1 if call.gradable else 0
        found = exports.pop(session_id, [])
        states = ", ".join(state for state, *_ in found)
        proof.expect(len(found) == wanted, f"{name} has {len(found)} exports ({states})")
        keys = [key for key in objects if str(session_id) in key]
        proof.expect(len(keys) == wanted, f"{name} has {len(keys)} objects")
        for state, key, size in found:
            stored = objects.get(key)
            fine = state == "ready" and stored is not None and stored == size
            proof.expect(fine, f"{name}: export {state}, object of {stored} bytes, not {size}")
            if stored is None:
                continue
            pdf = evidence.objects.read(key)
            whole = pdf.startswith(b"%PDF-") and pdf.rstrip().endswith(b"%%EOF")
            proof.expect(whole, f"{name}: {key} is no whole PDF")
            whole_pdfs += whole
            if whole and reader is not None and read < evidence.most_read:
                read += 1
                shown = f"Score {score} of 100" in _text(reader, pdf)
                proof.expect(shown, f"{name}: {key} does not show the score {score}")
        for key in keys:
            del objects[key]
    for key in objects:
        proof.expect(False, f"{key} belongs to no session of the drill")
    for session_id, found in exports.items():
        for state, *_ in found:
            words = f"an export ({state}) belongs to {session_id}, which is no session of the drill"
            proof.expect(False, words)
    proof.claim += f" (score read on {read} of {whole_pdfs})" if read else " (no score was read)"
    proof.facts = {"scores_read": read}
    return proof


def _sessions(evidence: Evidence) -> list[tuple[Any, ...]]:
    return evidence.database.rows(
        """
        SELECT s.vapi_call_id, s.id, g.score FROM training_sessions s
        LEFT JOIN session_grades g ON g.session_id = s.id WHERE s.vapi_call_id = ANY(%(calls)s)
        """,
        calls=list(evidence.call_ids),
    )


def _exports(evidence: Evidence) -> dict[UUID, list[tuple[str, str, int]]]:
    rows = evidence.database.rows(
        "SELECT session_id, state, object_key, size_bytes FROM exports WHERE org_id = ANY(%(orgs)s)",
        orgs=evidence.orgs,
    )
    exports: dict[UUID, list[tuple[str, str, int]]] = defaultdict(list)
    for session_id, state, key, size in rows:
        exports[session_id].append((state, key, size))
    return exports


def _pdf_reader() -> ModuleType | None:
    """The library that reads PDFs, where it is installed: the tests need it, the platform does not."""
    try:
        return importlib.import_module("pypdf")
    except ImportError:
        return None


def _text(reader: ModuleType, pdf: bytes) -> str:
    """What the pages say; nothing where they cannot be read."""
    try:
        pages = reader.PdfReader(io.BytesIO(pdf)).pages
        return " ".join(" ".join(page.extract_text() for page in pages).split())
    except reader.errors.PyPdfError:
        return ""
