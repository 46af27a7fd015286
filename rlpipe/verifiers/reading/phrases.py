"""What is said around an answer: labels before it, closing phrases and end markers after it, the letter of an option."""

from __future__ import annotations

import re

_END_MARKER = re.compile(
    r"<[|｜][^<>|｜]{1,40}[|｜]>|</?s>|<e[on][sd](?:_of_turn|_of_text)?>|<pad>|\[/?INST\]|</?answer>"
)
_ANSWER = r"(?:answer|ans|result|solution|value|option|choice)"
_IS = r"(?:is|would be|should be|equals?|comes out to|to the (?:problem|question) is)"
_HERE = r"(?=[\\0-9$(+-])"
_LABEL = re.compile(
    rf"(?i)(?:(?:so|thus|hence|therefore|then),? )?(?:(?:the|my|our|your) )?"
    rf"(?:(?:final|correct|right|short|numerical|exact) )*{_ANSWER}(?: {_IS})?"
    rf"(?: (?:thus|therefore|simply|indeed|just|equal to))? ?(?:is |[:=] ?|(?<=is){_HERE})+(?=\S)"
    rf"|(?:the )?(?:point|points|vertex|center|centre|focus|coordinates)(?: is| are| at)? ?(?=\()"
    rf"|(?:it is|it's|they are|this is) (?=[A-Za-z]{{3}})"
    rf"|(?:(?:so|thus) )?(?:the|our|its|their) [a-z][a-z ]{{1,40}} (?:is|are|was|equals) ?(?=[\\0-9$+-])"
    rf"|(?:so|thus|hence|therefore|we get|we have|it is|it's|there (?:are|is|were|was|will be))(?:[:,] ?| ){_HERE}"
)
_FOREIGN_LABEL = re.compile(
    rf"(?:最终|正确|所以)?(?:答案|故答案)(?:是|为|:|：)* ?(?=\S)|答[:：]? ?{_HERE}"
    r"|(?i:respuesta|réponse|antwort|risposta|resposta|ответ): ?(?=\S)"
)
_CLOSERS = (
    "i hope", "hope (?:this|that|it)", r"thanks?\b", "thank you", "let me know", "please", "feel free", r"q\.?e\.?d",
    r"done\b", "this (?:is|completes|concludes|matches|was)", "that(?:'s| is)", "which (?:is|matches|completes)",
    "as (?:required|desired|requested|needed|expected)", "is (?:the|our|my) (?:final |correct )?answer", "is correct",
    "end of", "therefore", "thus", "hence", r"so\b", "because", "since", "the (?:final )?answer",
)  # fmt: skip
_CLOSING = re.compile(rf"(?i)[.,;!]? ?(?:\n|[.!] |- |; |, |\s)\(?(?:{'|'.join(_CLOSERS)})[^0-9\\$=]*$")
_REMARK = r"(?:final|answer|final answer|exact|exactly|simplified|ans|approx\.?|total|in total)"
_SIGN = r"(?:✓|✔|✅|■|□|∎|\\checkmark|\\blacksquare|\\square|\\qed)"
_FINAL = re.compile(rf"(?i)(?<=\S) ?\({_REMARK}\)$|(?<=\S) ?{_SIGN}$")
_LEADING = re.compile(r"^(?:= ?|\\(?:therefore|because|Rightarrow|implies|to|Longrightarrow|quad)(?![A-Za-z]) ?)+")
_CHOICE = re.compile(
    r"(?:(?:[Oo]ption|[Cc]hoice|[Aa]nswer|OPTION|CHOICE) ?)?"
    r"(?:\(([A-Ja-j])\)|\[([A-J])\]|([A-J])\)|([A-J])(?=[.:])|(?<=[a-zA-Z] )([A-J])\b)[.:]? ?(.*)",
    re.DOTALL,
)
_OTHER_CHOICE = re.compile(r"[(\[ ][A-J][)\]]|(?:or|and) [A-J]$")
_OPERATOR = re.compile(r"[-+*/^_=!<>|,'&(\[{]|\\(?:cdot|times|le|ge|ne|in|cup|cap)")


_VERDICT = re.compile(
    r"(?i)(?P<said>yes|no|true|false)[,.;:] (?!.*\b(?:yes|no|true|false|or|maybe|but|actually)\b)[a-z ,.']+"
)


def without_markers(text: str) -> str:
    """What stands before the first end marker that a tokenizer left in the text."""
    if "<" in text or "[" in text:
        match = _END_MARKER.search(text)
        if match is not None:
            before = text[: match.start()]
            return before if before.strip() else without_markers(text[match.end() :])
    return text


def without_phrases(text: str) -> str:
    """The answer alone: `18` of `The final answer is $18$. I hope it is correct.`"""
    text = without_markers(text)
    if verdict := _VERDICT.fullmatch(text.strip()):
        return verdict["said"]
    for _ in range(3):
        text = _LEADING.sub("", text)
        shorter = _FINAL.sub("", _CLOSING.sub("", text)).strip()
        if match := _LABEL.match(shorter) or _FOREIGN_LABEL.match(shorter):
            shorter = shorter[match.end() :]
        if (
            not shorter
            or shorter == text
            or shorter.count("{") - shorter.count("}") != text.count("{") - text.count("}")
        ):
            break
        text = shorter
    return text


def split_choice(text: str) -> tuple[str, str] | None:
    """The letter of an option and what it says, `("C", "25")` of `(C) 25`; None for a text without such a letter."""
    match = _CHOICE.fullmatch(text)
    if match is None:
        return None
    if _OTHER_CHOICE.search(match[6]):
        return None
    letter, rest = next(group for group in match.groups()[:5] if group), match[6].strip()
    if rest and _OPERATOR.match(rest) and not re.match(r"[-+(\[{]?(?:\\?[{$])?[0-9\\]", rest):
        return None
    if rest[:1] in ("+", "*", "/") or (rest[:1] == "-" and match[1]):
        return None
    return letter.upper(), rest
