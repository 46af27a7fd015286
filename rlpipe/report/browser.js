// The browser of rollouts: choose a policy, an occasion and a prompt; read tokens coloured by entropy.
"use strict";
(() => {
  const data = page.rollouts, root = document.getElementById("browser");
  if (!data || !root) return;
  const $ = name => root.querySelector("[data-part=" + name + "]");
  const policy = $("policy"), when = $("when"), task = $("task"), prompt = $("prompt"), order = $("order");
  const minus = x => String(x).replace("-", "\u2212");
  const option = (value, text) => { const o = document.createElement("option"); o.value = value; o.textContent = text; return o; };
  const unique = list => [...new Set(list)];
  function fill(select, pairs) {
    const before = select.value;
    select.replaceChildren(...pairs.map(([value, text]) => option(value, text)));
    if (pairs.some(([value]) => String(value) === before)) select.value = before;
    select.disabled = pairs.length < 2;
  }
  const groups = () => data.groups.filter(g => String(g.policy) === policy.value && String(g.when) === when.value);
  const label = p => data.prompts[p].task + (data.prompts[p].level ? " \u00b7 " + data.prompts[p].level : "");

  function level(h) { let i = 0; while (i < data.bins.length && h >= data.bins[i]) i++; return i; }
  const read = (r, i) => r.w && !r.w[i];
  const own = r => r.h.filter(h => h !== null);
  const mean = r => { const h = own(r); return h.length ? h.reduce((a, b) => a + b, 0) / h.length : 0; };
  const line = $("token"), hint = line.textContent;
  function tokenSpans(r) {
    const box = document.createElement("div");
    box.className = "tokens"; box.tabIndex = 0; box.setAttribute("role", "group");
    box.setAttribute("aria-label", "Response, token by token; arrow keys move through it");
    const spans = r.t.map((id, i) => {
      const s = document.createElement("span"), piece = data.vocabulary[id];
      s.textContent = piece; s.className = (read(r, i) ? "read" : "h" + level(r.h[i])) + (/^\s*<[^>]*>\s*$/.test(piece) ? " special" : "");
      s.dataset.i = i; box.append(s); return s;
    });
    if (r.cut) { const more = document.createElement("em"); more.textContent = " \u2026 " + r.cut + " more tokens"; box.append(more); }
    let at = -1;
    function say(i) {
      root.querySelectorAll(".tokens .on").forEach(s => s.classList.remove("on"));
      at = i; spans[i].classList.add("on");
      if (read(r, i)) { line.textContent = "token " + (i + 1) + " \u201c" + data.vocabulary[r.t[i]].trim() + "\u201d: read, not written by the policy"; return; }
      const p = r.l ? "probability " + Math.exp(r.l[i]).toFixed(3) + ", log " + minus(r.l[i].toFixed(3)) + ", " : "";
      line.textContent = "token " + (i + 1) + " of " + (r.t.length + (r.cut || 0)) + " \u201c" + data.vocabulary[r.t[i]].trim() + "\u201d: "
        + p + "entropy " + r.h[i].toFixed(3) + " nats";
    }
    box.addEventListener("pointerover", e => { if (e.target.dataset.i) say(Number(e.target.dataset.i)); });
    box.addEventListener("click", e => { if (e.target.dataset.i) say(Number(e.target.dataset.i)); });
    box.addEventListener("keydown", e => {
      const move = {ArrowRight: 1, ArrowLeft: -1}[e.key];
      if (move && spans.length) { e.preventDefault(); say(Math.min(spans.length - 1, Math.max(0, at + move))); }
    });
    return box;
  }
  function fact(line, text, kind) { const s = document.createElement(kind ? "b" : "span"); s.textContent = text; if (kind) s.className = kind; line.append(s); }
  function item(r) {
    const li = document.createElement("li"), facts = document.createElement("div");
    facts.className = "facts-line";
    fact(facts, r.ok ? "\u2713 correct" : "\u2717 " + (r.status === "ok" || !r.status ? "wrong" : r.status.replace("_", " ")), r.ok ? "right" : "wrong");
    fact(facts, "reward " + minus(Number(r.reward.toFixed(3))));
    if (r.answer) fact(facts, "answer " + r.answer);
    fact(facts, (r.t.length + (r.cut || 0)) + " tokens" + (r.finish === "length" ? ", cut off" : ""));
    fact(facts, "mean entropy " + (own(r).length ? mean(r).toFixed(3) : "\u2013") + " nats");
    fact(facts, "sample " + r.i + (r.parent === undefined ? "" : ", goes on from sample " + r.parent));
    if (r.agent) fact(facts, "written by " + r.agent);
    if (r.drawn) fact(facts, r.drawn);
    li.append(facts, tokenSpans(r));
    return li;
  }
  function showPrompt() {
    const group = groups().find(g => String(g.prompt) === prompt.value), list = $("rollouts");
    list.replaceChildren(); line.textContent = hint;
    if (!group) return;
    const p = data.prompts[group.prompt];
    $("text").textContent = p.text;
    $("kicker").textContent = "Prompt \u00b7 " + label(group.prompt) + (p.reference ? " \u00b7 reference " + p.reference : "");
    $("share").textContent = group.right + " of " + group.of + " rollouts of this prompt are correct; the first " + group.rollouts.length + " are shown.";
    const sorted = [...group.rollouts];
    if (order.value === "entropy") sorted.sort((a, b) => mean(b) - mean(a));
    if (order.value === "length") sorted.sort((a, b) => b.t.length - a.t.length);
    list.append(...sorted.map(item));
    $("previous").disabled = prompt.selectedIndex <= 0;
    $("next").disabled = prompt.selectedIndex >= prompt.options.length - 1;
  }
  function refresh() {
    fill(when, unique(data.groups.filter(g => String(g.policy) === policy.value).map(g => g.when)).map(w => [w, data.whens[w]]));
    const here = groups();
    fill(task, [["", "all"], ...unique(here.map(g => label(g.prompt))).sort().map(t => [t, t])]);
    const wanted = here.filter(g => !task.value || label(g.prompt) === task.value);
    fill(prompt, wanted.map(g => [g.prompt, data.prompts[g.prompt].short]));
    showPrompt();
  }
  fill(policy, data.policies.map((name, i) => [i, name]));
  const start = data.start || 0; policy.value = String(start);
  [policy, when, task].forEach(s => s.addEventListener("change", refresh));
  [prompt, order].forEach(s => s.addEventListener("change", showPrompt));
  const step = by => { prompt.selectedIndex = Math.max(0, Math.min(prompt.options.length - 1, prompt.selectedIndex + by)); showPrompt(); };
  $("previous").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  refresh();
})();
