# ruff: noqa: E501
"""The style sheet of the page.

A module and not a file, as the report's key is made of the modules it imports.
"""

from __future__ import annotations

from rlpipe.report.charts import FONT
from rlpipe.report.palette import DARK, LIGHT, declarations

_RULES = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth;scroll-padding-top:1.5rem}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 FONT;font-variant-ligatures:no-contextual}
a{color:var(--accent);text-decoration-thickness:1px;text-underline-offset:2px}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:2px}
.skip{position:absolute;left:-999px}
.skip:focus{left:1rem;top:1rem;background:var(--paper);padding:.5rem 1rem;z-index:9}
.layout{max-width:78rem;margin:0 auto;padding:0 1.25rem 5rem}
main{min-width:0}
header.top{padding:3.5rem 0 1rem}
h1{max-width:46rem;text-wrap:balance}
h1{font-size:clamp(1.7rem,1.1rem + 2.4vw,2.5rem);line-height:1.15;letter-spacing:-.022em;font-weight:650;margin:0 0 1rem}
h2{font-size:1.4rem;line-height:1.25;letter-spacing:-.014em;font-weight:650;margin:0 0 .5rem}
h3{font-size:1.02rem;font-weight:650;margin:2.25rem 0 .5rem}
section{padding:2.75rem 0 .5rem;border-top:1px solid var(--rule);margin-top:2.5rem}
p,ul.points{max-width:44rem;margin:.6rem 0}
.summary{color:var(--soft);font-size:1.02rem}
.lede{font-size:1.08rem;line-height:1.6}
.note,.reading{font-size:.9rem;color:var(--soft)}
.reading::before{content:"How to read it. ";font-weight:600;color:var(--ink)}
.absent{font-size:.95rem;color:var(--soft);background:var(--card);padding:.75rem 1rem;border-radius:6px}
ul.points{padding-left:1.1rem}
ul.points li{margin:.45rem 0}
ul.verdicts{list-style:none;padding:0}
ul.verdicts .run{display:block}
ul.verdicts li b{font-weight:600}
ul.verdicts li{padding:.15rem 0 .15rem .9rem;border-left:3px solid var(--c,var(--rule));margin:.8rem 0}
.run{white-space:nowrap;font-weight:550}
.run::before{content:"";display:inline-block;width:.62em;height:.62em;border-radius:50%;background:var(--c);margin-right:.4em}
code,.mono{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace;font-size:.88em}
dl.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.4rem,1fr));
border:1px solid var(--rule);border-radius:8px;overflow:hidden;margin:1.75rem 0 .5rem;max-width:none}
dl.facts div{padding:.7rem .9rem;margin:0 -1px -1px 0;border:solid var(--rule);border-width:0 1px 1px 0}
dl.facts dt{font-size:.78rem;color:var(--soft)}
dl.facts dd{margin:.1rem 0 0;font-weight:600;font-size:1.05rem;font-variant-numeric:tabular-nums;line-height:1.3}
dl.facts dd small{font-weight:400;color:var(--soft);font-size:.78rem}
nav.contents{font-size:.875rem}
nav.contents ol{list-style:none;margin:0;padding:0}
nav.contents a{display:block;padding:.22rem .75rem;color:var(--soft);text-decoration:none;border-left:2px solid var(--rule)}
nav.contents a:hover{color:var(--ink)}
nav.contents a[aria-current]{color:var(--ink);border-left-color:var(--accent);font-weight:550}
nav.contents summary{cursor:pointer;font-weight:600;padding:.5rem 0}
@media (min-width:72rem){
.layout{display:grid;grid-template-columns:11.5rem minmax(0,1fr);column-gap:3.5rem}
nav.contents{position:sticky;top:2.5rem;align-self:start;margin-top:3.9rem}
nav.contents summary{display:none}
nav.contents ol{display:block}
}
figure{margin:1.75rem 0 2rem}
figure.wide{max-width:none}
figcaption{font-size:.875rem;line-height:1.5;color:var(--soft);text-align:left;max-width:46rem}
figcaption{margin-top:.6rem}
figcaption b:first-child{color:var(--ink);font-weight:600}
.panels{display:grid;grid-template-columns:repeat(var(--columns),minmax(0,1fr));gap:1.25rem 1.75rem}
@media (max-width:60rem){.panels{grid-template-columns:repeat(var(--narrow),minmax(0,1fr))}}
@media (max-width:40rem){.panels{grid-template-columns:minmax(0,1fr)}}
.panel{min-width:0}
.panel h4{font-size:.84rem;font-weight:600;margin:0 0 .15rem}
.panel h4 small{font-weight:400;color:var(--soft);font-size:.78rem}
.chart{width:100%;min-height:6rem;position:relative}
.chart svg{display:block;max-width:100%}
.chart.vega-embed{display:block;padding:0}
.chart .failed{color:var(--bad);font-size:.85rem}
.legend{display:flex;flex-wrap:wrap;gap:.35rem .5rem;margin:0 0 .9rem;font-size:.82rem}
.legend button{font:inherit;color:var(--ink);background:none;border:1px solid var(--rule);border-radius:999px;padding:.16rem .7rem .16rem .5rem;
cursor:pointer;display:flex;align-items:center;gap:.45rem;line-height:1.5}
.legend button:hover{border-color:var(--soft)}
.legend button[aria-pressed=true]{background:var(--card);border-color:var(--c);box-shadow:inset 0 0 0 1px var(--c)}
.legend i{width:1.25rem;border-top:3px var(--dash,solid) var(--c)}
.scroll{overflow-x:auto;margin:0;-webkit-overflow-scrolling:touch}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums lining-nums;line-height:1.35;min-width:min(100%,32rem)}
figure.table{margin:1.5rem 0 1.75rem}
figure.table figcaption{margin:0 0 .5rem}
.w{min-width:17rem}
thead th{font-weight:600;color:var(--soft);font-size:.8rem;line-height:1.25;text-align:left;vertical-align:bottom;border-bottom:1px solid var(--soft)}
th,td{padding:.42rem .5rem;text-align:left;vertical-align:top}
th.n,td.n{text-align:right;white-space:nowrap}
tbody th{white-space:nowrap;font-weight:450;text-align:left;background:var(--paper)}
tbody tr{border-bottom:1px solid var(--rule)}
th:first-child,td:first-child{padding-left:0;position:sticky;left:0;background:var(--paper);z-index:1}
td small,tbody th small{display:block;letter-spacing:-.005em;color:var(--soft);font-size:.76rem;font-weight:400}
td.mark{font-weight:650}
td.mark span,.marked{background:var(--mark);border-radius:3px;padding:.05rem .3rem}
td.mark span{margin-right:-.3rem}
td.up{color:var(--good)}td.down{color:var(--bad)}td.dim{color:var(--soft)}
thead button{all:unset;cursor:pointer;font-weight:600;border-radius:2px}
thead button:focus-visible{outline:2px solid var(--accent)}
thead th[aria-sort] button{position:relative}
thead th[aria-sort] button::after{content:"\\2195";color:var(--faint);font-weight:400;font-size:.85em;position:absolute;right:-.95em;opacity:0}
thead th[aria-sort] button:hover::after,thead th[aria-sort] button:focus-visible::after{opacity:1}
thead th[aria-sort=ascending] button::after{content:"\\2191";color:var(--ink);opacity:1}
thead th[aria-sort=descending] button::after{content:"\\2193";color:var(--ink);opacity:1}
abbr{text-decoration:none;border-bottom:1px dotted var(--faint);cursor:help}
details{font-size:.9rem;margin:.6rem 0}
details>summary{cursor:pointer;color:var(--soft);width:fit-content}
details>summary:hover{color:var(--ink)}
figcaption details{font-size:.82rem;margin:.35rem 0 0}
.numbers table{font-size:.78rem}
.numbers .scroll{max-height:20rem;overflow:auto;margin:.5rem 0}
#vg-tooltip-element{background:var(--paper)!important;color:var(--ink)!important;border:1px solid var(--rule)!important;
box-shadow:0 4px 16px rgba(0,0,0,.14)!important;font:12px/1.45 FONT!important;border-radius:6px!important;padding:.45rem .6rem!important;font-variant-numeric:tabular-nums}
#vg-tooltip-element td.key{color:var(--soft)!important}
#vg-tooltip-element td{padding:.05rem .2rem;position:static;background:none}
#vg-tooltip-element tr{border:0}
#vg-tooltip-element table{min-width:0;font-size:12px}
footer{border-top:1px solid var(--rule);margin-top:3rem;padding-top:1.25rem;color:var(--soft);font-size:.85rem}
@media (max-width:36rem){
body{font-size:15.5px}
.layout{padding:0 1rem 4rem}
header.top{padding-top:2rem}
dl.facts{grid-template-columns:1fr 1fr}
dl.facts div:last-child:nth-child(odd){grid-column:1/-1}
th,td{padding:.42rem .55rem}
section{padding-top:2rem}
}
@media print{
body{font-size:10.5pt}
.layout{display:block;max-width:none;padding:0}
nav.contents,.skip,.controls,.numbers,.token-line{display:none}
section{break-before:auto;padding-top:1.2rem;margin-top:1.2rem}
figure,.panel,tr,dl.facts div{break-inside:avoid}
h2,h3{break-after:avoid}
.scroll{overflow:visible}
a{color:inherit;text-decoration:none}
.scroll table{font-size:6.8pt;min-width:0}
.scroll th,.scroll small{font-size:6pt!important}
.scroll tbody th{font-size:6.8pt!important}
th,td{padding:.25rem .3rem;position:static}
td.n{white-space:normal}
}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
"""

_BROWSER = """
.browser{border:1px solid var(--rule);border-radius:8px;margin:1.25rem 0}
.controls{display:flex;flex-wrap:wrap;gap:.6rem .9rem;padding:.8rem 1rem;border-bottom:1px solid var(--rule);align-items:end}
.controls label{display:flex;flex-direction:column;font-size:.76rem;color:var(--soft);gap:.15rem;min-width:0}
.controls select,.controls button{font:inherit;font-size:.875rem;color:var(--ink);background:var(--paper);border:1px solid var(--rule);
border-radius:5px;padding:.3rem .5rem;max-width:100%}
.controls select:hover,.controls button:hover{border-color:var(--soft)}
.controls button:disabled{color:var(--faint);cursor:default}
.controls .pick{display:flex;gap:.3rem;align-items:center}
.controls .grow{flex:1 1 14rem}
.controls .grow select{width:100%}
.task{padding:1rem;border-bottom:1px solid var(--rule)}
.task .text{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.95rem;margin:.2rem 0 0;max-width:none}
.kicker{font-size:.76rem;color:var(--soft)}
.heat{display:flex;flex-wrap:wrap;align-items:center;gap:.15rem .55rem;padding:.6rem 1rem;font-size:.76rem;color:var(--soft);border-bottom:1px solid var(--rule)}
.heat span{display:inline-flex;align-items:center;gap:.3rem}
.heat i{width:1.1rem;height:.8rem;border-radius:2px;display:inline-block}
.rollouts{list-style:none;margin:0;padding:0;max-width:none}
.rollouts>li{padding:.85rem 1rem;border-bottom:1px solid var(--rule)}
.rollouts>li:last-child{border:0}
.facts-line{display:flex;flex-wrap:wrap;gap:.1rem .9rem;font-size:.8rem;color:var(--soft);margin-bottom:.35rem;font-variant-numeric:tabular-nums}
.facts-line b{font-weight:600}
.facts-line .right{color:var(--good)}.facts-line .wrong{color:var(--bad)}
.tokens{line-height:1.95;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.92rem;font-family:ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace}
.tokens span{border-radius:3px;padding:.14rem 0;cursor:default}
.tokens span.on{outline:2px solid var(--accent);outline-offset:0}
.tokens .h5{color:var(--h5-ink)}.tokens .h6{color:var(--h6-ink)}
.tokens .special{color:var(--soft);font-size:.85em}
.heat{position:sticky;top:0;background:var(--paper);z-index:2}
.token-line{flex-basis:100%;color:var(--ink);min-height:1.5em;font-variant-numeric:tabular-nums}
"""


def style() -> str:
    """The whole sheet, light by default and dark where the reader's system is."""
    heat = "".join(f".h{i}{{background:var(--heat-{i})}}" for i in range(7))
    light = declarations(LIGHT) + "--h5-ink:#fff;--h6-ink:#fff;"
    dark = declarations(DARK) + "--h5-ink:#0b1015;--h6-ink:#0b1015;"
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f"{_RULES}{_BROWSER}{heat}"
    ).replace("FONT", FONT)
