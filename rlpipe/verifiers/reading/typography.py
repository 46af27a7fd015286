"""An answer without what is typography alone. Every step is a pure function, and together they come to an end."""

from __future__ import annotations

import re

from rlpipe.verifiers.reading.numbers.numerals import THOUSANDS
from rlpipe.verifiers.reading.numbers.units import known, parse_unit
from rlpipe.verifiers.reading.signs import in_ascii

LONGEST = 2000  # characters that are read; longer text is compared as text
ROUNDS = 40  # of cleaning; each takes off a layer

_PLAIN = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_END = r"(?![A-Za-z])"
_FRACTION_COMMAND = re.compile(rf"\\(?:[dtcx]frac|sfrac|nicefrac){_END}")
_ONE_SIGN_ABOVE = re.compile(r"\\frac ?([0-9A-Za-z])(?=[ 0-9A-Za-z{\\])")
_ONE_SIGN_BELOW = re.compile(r"(\\frac(?:\{[^{}]*\}|\{(?:[^{}]|\{[^{}]*\})*\})) ?([0-9A-Za-z])")
_OVER = re.compile(r"\{([^{}]*)\\over(?![a-z])([^{}]*)\}")
_ROOT = re.compile(r"(\\sqrt(?:\[[0-9n]\])?) ?([0-9A-Za-z])")
_CALLED_ROOT = re.compile(r"(?<![A-Za-z\\])sqrt ?(?:\(([^()]*)\)|\{([^{}]*)\}|([0-9]+))")
_CALLED_PI = re.compile(rf"(?<![A-Za-z\\])pi{_END}")
_DEGREE = re.compile(rf"(?:\{{\}})?\^ ?(?:\{{ ?\\circ ?\}}|\\circ{_END})|°|\\degree{_END}|\\textdegree{_END}")
_TEXT = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|sc|up|md|normal|superscript)?|math(?:rm|sf|tt|up|normal)|[mh]box|operatorname\*?|emph|"
    r"unit|si|ensuremath) ?\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}"
)
_OLD_TEXT = re.compile(r"\{ ?\\(?:rm|bf|it|tt|sf|em|text|mathrm)(?![A-Za-z]) ?([^{}]*)\}")
_STYLED = re.compile(
    r"\\(?:mathbf|mathit|boldsymbol|pmb|bm|mathstrut|underline|uline|fbox|boxed|framebox|mathop|mathord) ?(?=\{)"
)
_STYLED_LETTER = re.compile(r"\\(?:mathbf|mathit|boldsymbol|pmb|bm|mathcal|mathscr) ?\{ ?([^{}\\]*?) ?\}")
_STYLED_SIGN = re.compile(r"\\(?:mathrm|mathbf|mathit|boldsymbol|bm|text) ?(?=[A-Za-z0-9](?![A-Za-z]))")
_COLOUR = re.compile(
    r"\\(?:textcolor|color|colorbox|fcolorbox ?\{[^{}]*\})(?: ?\[[a-zA-Z]*\])? ?\{[^{}]*\}"
    r"|\\(?:framebox|bbox|fbox|parbox|makebox|raisebox)(?: ?\[[^\[\]]*\])+(?=\{)"
    r"|\\(?:[hv]?phantom|[hvm]space\*?|label|tag\*?|footnotesize) ?\{[^{}]*\}"
)
_DROPPED = re.compile(
    r"\\(?:left|right|middle|[bB]igg?[lrm]?|displaystyle|textstyle|scriptstyle|tiny|scriptsize|footnotesize|small|"
    r"normalsize|large|Large|LARGE|huge|Huge|bf|rm|it|tt|sf|em|boldmath|mathstrut|strut|limits|nolimits|nonumber|notag|"
    r"centering|checkmark|blacksquare|square|Box|qed|phantom|null|allowbreak|nobreak|break|newline)(?![A-Za-z])"
    r"|\\!|(?<!\\)\\[()]|(?<!\\)\\[\[\]]|(?<!\\)\$"
)
_NARROWED_COMMA = re.compile(r",\s*\\!\s*(?=[0-9]{3}(?![0-9]))")  # `11,\! 111`, as MATH sets thousands
_ASIDE = re.compile(r"\\(?:left|right) ?\.")
_PERIOD = re.compile(r"\\dot\{([0-9])\}(?:([0-9]*)\\dot\{([0-9])\})?")
_RELATIONS = ((re.compile("<=|=<"), r"\\le "), (re.compile(">="), r"\\ge "), (re.compile("!=|/="), r"\\ne "))
_MINUS = re.compile(r"(?i)(?:minus|negative) (?=[0-9\\$.])")
_SPACED = re.compile(
    r"(?<!\\)\\[,;:> ]|\\(?:q?quad|thinspace|medspace|thickspace|enspace|enskip|space|nbsp)(?![A-Za-z])|~|&nbsp;|\s+"
)
_LOOSE_SPACE = re.compile(r"(?<![0-9A-Za-z]) | (?![0-9A-Za-z])")
_SPACED_THOUSANDS = re.compile(r"(?<![0-9A-Za-z.,/] )(?<![0-9A-Za-z.,/}_^])([0-9]{1,3}(?: [0-9]{3})+)(?![0-9/]| [0-9])")
_NAMES = (
    (re.compile(rf"\\(?:leqslant|leqq|leq){_END}"), r"\\le "),
    (re.compile(rf"\\(?:geqslant|geqq|geq){_END}"), r"\\ge "),
    (re.compile(rf"\\neq{_END}"), r"\\ne "),
    (re.compile(rf"\\lt{_END}"), "<"),
    (re.compile(rf"\\gt{_END}"), ">"),
    (re.compile(rf"\\(?:varnothing|O){_END}"), r"\\emptyset "),
    (re.compile(rf"\\lbrack{_END}"), "["),
    (re.compile(rf"\\rbrack{_END}"), "]"),
    (re.compile(rf"\\lparen{_END}"), "("),
    (re.compile(rf"\\rparen{_END}"), ")"),
    (re.compile(rf"\\lbrace{_END}"), r"\\{"),
    (re.compile(rf"\\rbrace{_END}"), r"\\}"),
    (re.compile(rf"\\(?:vert|mid|lvert|rvert){_END}"), "|"),
    (re.compile(rf"\\colon{_END}"), ":"),
    (re.compile(rf"\\(?:ast){_END}"), "*"),
    (re.compile(rf"\\bigcup{_END}"), r"\\cup "),
    (re.compile(r"\\log_(?:e|\{e\})(?![A-Za-z])"), r"\\ln "),
    (re.compile(rf"\\(?:imath){_END}"), "i"),
    (re.compile(rf"\\(?:dots|ldots|cdots|dotsc|dotsb){_END}"), "..."),
    (re.compile(rf"\\textdollar{_END}|\\text\{{\\\$\}}"), r"\\$"),
    (re.compile(rf"\\(?:euro|texteuro){_END}"), "€"),
    (re.compile(rf"\\(?:pounds|textsterling){_END}"), "£"),
    (re.compile(rf"\\(?:yen|textyen){_END}"), "¥"),
    (re.compile(rf"\\(?:cent|textcent){_END}"), "¢"),
    (re.compile(rf"\\Reals?{_END}|\\R{_END}"), r"\\mathbb{R}"),
    (re.compile(rf"\\mathbb ?(?=[A-Z]{_END})([A-Z])"), r"\\mathbb{\1}"),
    (re.compile(rf"\\(?:lor|vee){_END}"), " or "),
    (re.compile(rf"\\(?:land|wedge){_END}"), " and "),
)
_COMPOSED = re.compile(r"[/^ ]|\\[,;: c]")
_GOING_ON = re.compile(r"([0-9]*\.[0-9]*?)([0-9])\2\2+(?:\.\.\.+)")
_GOING_ON_IN_BLOCKS = re.compile(r"([0-9]*\.[0-9]*?)([0-9]{2,6}?)\2\2*\2\.\.\.+|([0-9]*\.)([0-9]{3,6})\4+\.\.\.+")
_DECIMAL_COMMA = re.compile(r"(?<=[0-9])\{,\}(?=[0-9]{1,2}(?![0-9]))")
_MARKDOWN = re.compile(r"(\*\*|\*|__|``|`|\"|'|'')(?=[^\s])(.*[^\s])(?:\1|'')", re.DOTALL)


def clean(text: str) -> str:
    """The answer without typography: Unicode forms, LaTeX spacing, sizes, colours and frames, `$`, trailing dots."""
    if _PLAIN.fullmatch(text) or len(text) > LONGEST:
        return text
    for _ in range(ROUNDS):
        if (shorter := _clean_once(text)) == text:
            break
        text = shorter
    return text


def _clean_once(text: str) -> str:
    if not text.isascii():
        text = in_ascii(text)
        if "°" in text:
            text = _DEGREE.sub(" degree ", text)
    if "\\" in text:
        text = _without_commands(text)
    if "=" in text:
        for pattern, name in _RELATIONS:
            text = pattern.sub(name, text)
    if "$" in text:
        text = _dollars(text)
    if "{,}" in text:
        text = _DECIMAL_COMMA.sub(".", text).replace("{,}", ",")
    text = _SPACED.sub(" ", text).strip()
    if " " in text:
        text = _without_blanks(text)
    if text[:1] in "mMnN":
        text = _MINUS.sub("-", text, count=1) if _MINUS.match(text) else text
    if "pi" in text or "sqrt" in text:
        text = _CALLED_PI.sub(r"\\pi ", _CALLED_ROOT.sub(_root, text)).strip()
    text = _without_ends(text)
    return text[1:-1] if text[:1] == "{" and text[-1] == "}" and _is_group(text) else text


def _root(match: re.Match[str]) -> str:
    return f"\\sqrt{{{next(group for group in match.groups() if group is not None)}}}"


def _without_commands(text: str) -> str:
    if "frac" in text or "over" in text:
        text = _ONE_SIGN_ABOVE.sub(r"\\frac{\1}", _FRACTION_COMMAND.sub(r"\\frac", text))
        text = _ONE_SIGN_BELOW.sub(r"\1{\2}", text)
        text = _OVER.sub(r"\\frac{\1}{\2}", text)
    if "{" in text:
        text = _TEXT.sub(_words, _OLD_TEXT.sub(_words, _COLOUR.sub("", text)))
        text = _STYLED.sub("", _STYLED_LETTER.sub(r"\1", text))
    text = _ASIDE.sub("", _STYLED_SIGN.sub("", text))
    if "\\dot" in text:
        text = _PERIOD.sub(lambda m: f"\\overline{{{m[1]}{m[2] or ''}{m[3] or ''}}}", text)
    text = _DEGREE.sub(" degree ", text)
    for pattern, name in _NAMES:
        text = pattern.sub(name, text)
    text = _ROOT.sub(r"\1{\2}", text)
    text = text.replace("\\%", "%").replace("\\#", "#").replace("\\&", "&")
    text = text if "\\\\" in text else text.replace("\\_", "_")
    text = _NARROWED_COMMA.sub(",", text)
    return _DROPPED.sub("", text.replace("\\{", "{").replace("\\}", "}"))


def _words(match: re.Match[str]) -> str:
    """The content of `\\text{}`: a unit stays marked as one, so that it is told from letters of a formula."""
    content = match[1].strip(" ~")
    content = content[1:-1] if content[:1] == "(" and content[-1:] == ")" and len(content) > 3 else content
    if content in ("i", "e", "d"):
        return content
    if match[0] == f"\\unit{{{content}}}":
        return match[0]
    unit = known(content) or (parse_unit(_SPACED.sub(" ", content)) if _COMPOSED.search(content) else None)
    before = match.string[: match.start()].rstrip()
    if (
        unit is not None
        and unit[0].isalpha()
        and before
        and (before[-1].isalnum() or before[-1] in "}{)%./,:~!*(\\" or before.endswith(("\\cdot", "\\;")))
    ):
        return f"\\unit{{{unit}}}"
    return f" {match[1]} "


def _dollars(text: str) -> str:
    """A lone `$` before a number is money; all other unescaped ones are LaTeX's."""
    bare = text.replace("\\$", "")
    if bare.count("$") % 2 and re.match(r"[+-]?\$ ?[0-9.]", text):
        text = text.replace("$", "\\$", 1)
    return re.sub(r"(?<!\\)\$", "", text)


def _without_blanks(text: str) -> str:
    text = _SPACED_THOUSANDS.sub(lambda m: m[1].replace(" ", ""), text)
    spaced, text = text, _LOOSE_SPACE.sub("", text)
    if ", " in spaced and THOUSANDS.fullmatch(text):
        return f"{{{text}}}"  # `1, 234` is two numbers, `1,234` is one
    return text


def _without_ends(text: str) -> str:
    if text.endswith((".", ",", ";", ":")):
        if text.endswith("..."):
            text = _GOING_ON.sub(r"\1\\overline{\2}", text)
            text = _GOING_ON_IN_BLOCKS.sub(lambda m: f"{m[1] or m[3]}\\overline{{{m[2] or m[4]}}}", text)
        text = text[:-1].rstrip() if text[-1] in ".,;:" and not text.endswith("..") else text
    if text[:1] in ("*", "_", "`", '"', "'") and (quoted := _MARKDOWN.fullmatch(text)):
        text = quoted[2]
    return text


def _is_group(text: str) -> bool:
    """One pair of braces around everything, without a comma inside: LaTeX's grouping, or a set of one."""
    level = 0
    for i, character in enumerate(text):
        level += (character in "{([") - (character in "})]")
        if (level == 0 and i < len(text) - 1) or (level == 1 and character in ",;|:"):
            return False
    return level == 0 and len(text) > 2
