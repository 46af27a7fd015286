r"""Known tables of problems: which columns they have, and what each of them is. A further one is a line here.

Tables are told apart by their columns and what stands in them (`recognise`). Where several fit and read the same
prompts and references, the first is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

from rlpipe.curate.files.tables.columns import Columns

GSM8K, MATH = "openai/gsm8k", "DigitalLearningGmbH/MATH-lighteval"

# Columns that a problem may be without only if they are empty, or say what the prompt says.
PARTS = frozenset(("problem", "question", "prompt", "query", "body", "context", "passage", "premise", "paragraph"))
PARTS |= {"options", "choices", "image", "images", "table", "figure", "diagram"}


@dataclass(frozen=True)
class Table:
    """`columns`, and the data source of rows that name none; None: the name of the file or folder."""

    columns: Columns
    source: str | None = None


def _table(prompt: str, answer: str, data_source: str | None = None, **more: str | int) -> Table:
    return Table(Columns.model_validate({"prompt": prompt, "answer": answer, **more}), data_source)


_MATH = {"level": "level?", "source": "data_source?", "id": "id?"}
_QUESTION = {"source": "data_source?", "id": "id?"}
TABLES: dict[str, Table] = {
    "gsm8k": _table("question", "answer", GSM8K, pattern="####", form="####"),
    "math": _table("problem", "answer", **_MATH),
    "math_solution": _table("problem", "solution", MATH, pattern="boxed", **_MATH),
    "openmath": _table("problem", "expected_answer", **_MATH),
    "svamp": _table("{Body} {Question}", "Answer", id="ID?"),
    "asdiv": _table("{body} {question}", "answer", pattern=r"^([^();]+?) *(?:\([^()]*\))?$", level="grade?", id="idx?"),
    "mawps": _table("input", "target", id="idx?"),
    "cmath": _table("question", "answer", level="grade"),
    "carp": _table("content", "answer"),
    "olympiadbench": _table("{context?} {question}", "final_answer", id="id?"),
    "metamath": _table("query", "response", pattern=r"The answer is:? *([^\n]+)"),
    "aqua": _table("question", "correct", options="options", choice="letter"),
    "mathqa": _table("Problem", "correct", options="options", choice="letter"),
    "sat_math": _table("question", "Answer", options="options", choice="letter", id="id?"),
    "mmlu": _table("question", "answer", options="choices", choice=0),
    "mmlu_letters": _table("question", "answer", options="choices", choice="letter"),
    "mmlu_pro": _table("question", "answer", options="options", choice="letter", id="question_id?"),
    "arc": _table("question", "answerKey", options="choices", choice="letter", id="id?"),
    "agieval": _table("{passage?} {question}", "label", options="options", choice="letter"),
    "question": _table("question", "answer", **_QUESTION),
    "question_capital": _table("Question", "Answer", id="ID?"),
}
CONVERSATIONS = ("open-instruct", "openrlhf", "skyrl", "trl", "verifiers", "verl")  # of `layouts`
FORMATS = ("auto", "rlpipe", *sorted((*CONVERSATIONS, *TABLES)))
