from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from rlpipe.engine.batched import together
from rlpipe.search import strategies as searches
from rlpipe.search.particle_filter import ENTROPIC, Filter, copies, particle_filter
from rlpipe.search.particles import Particle, Piece, SearchSettings, Walker, confidence
from rlpipe.search.resampling import logit
from tests.search.scripted import PROMPT, Scripted, decode, score, verify

near = partial(pytest.approx, abs=1e-6)
SETTINGS = SearchSettings(max_new_tokens=20, step_tokens=5, max_steps=8, separators=frozenset({1}))


STEPS_ALL = 3  # until then no particle has stopped, whatever survives


def run(method, engine=None, settings=SETTINGS, particles=8, scorer=score):
    engine = engine or Scripted()
    return once(searches.search(method, engine, decode, PROMPT, scorer, verify, settings, particles))


def once(job):
    return together([job])[0]


def walker(engine=None, settings=SETTINGS, scorer=score):
    return Walker(engine or Scripted(), decode, scorer, settings, PROMPT)


def test_worked_confidence():
    s = [confidence(PROMPT, "", [[-9.0], [c, c]]) for c in (-0.05, -0.2, -0.5)]
    assert s == near([0.951229, 0.818731, 0.606531])
    assert logit(s).tolist() == near([2.970628, 1.507772, 0.432752])
    raw = walker(settings=replace(SETTINGS, weight="raw")).weights([Particle(scores=[x]) for x in s])
    assert raw.tolist() == near([-0.05, -0.2, -0.5])


@pytest.mark.parametrize("method", list(searches.METHODS))
def test_every_method_pays_and_answers(method):
    result = run(method)
    assert len(result.particles) == len(result.answers) == len(result.correct) == 8
    assert result.answer == result.answers[result.chosen]
    assert 8 <= result.cost.generated <= result.cost.drawn
    assert (result.cost.scorer_calls == 0) == (method == "self_consistency")
    assert result == run(method)


@pytest.mark.parametrize("method", ["pf_prefix", "epf", "beam", "dvts", "best_of_n"])
def test_the_score_leads_to_what_it_rewards(method):
    rate = np.mean([run(method, settings=replace(SETTINGS, seed=s)).selected for s in range(30)])
    single = np.mean([run("best_of_n", settings=replace(SETTINGS, seed=s), particles=1).selected for s in range(30)])
    assert rate > single + 0.2


def test_a_step_ends_at_its_separator_and_the_rest_is_only_drawn():
    w = walker()
    particles = [Particle(), Particle()]
    once(w.extend(particles, 1))
    assert all(p.ids[-1] == 1 and len(p.ids) == 2 and not p.stopped for p in particles)
    assert (w.cost.generated, w.cost.drawn, w.cost.scorer_calls) == (4, 10, 2)


def test_survivors_share_nothing():
    a, b = copies([Particle(ids=[2], steps=[[0.0]], pending=Piece((2,), (0.0,), False, 0.5))], [0, 0])
    a.ids.append(3)
    a.steps[0].append(1.0)
    assert (b.ids, b.steps) == ([2], [[0.0]])
    assert a.pending is not None
    assert b.pending is None


def test_text_stream_does_not_depend_on_the_scheme():
    seeds = []
    for scheme in ("multinomial", "systematic", "residual", "stratified"):
        engine = Scripted()
        once(particle_filter(walker(engine), 4, Filter(scheme=scheme)))
        seeds.append([s for _, s in engine.calls][:STEPS_ALL])
    assert all(s == seeds[0] for s in seeds)


def test_stopped_particles_keep_their_score_and_end_the_search():
    chosen, particles, trace = once(particle_filter(walker(), 4, ENTROPIC))
    assert all(p.stopped and not p.truncated and len(p.scores) == len(p.steps) == 4 for p in particles)
    assert len(trace.ess) == len(trace.temperature) == 4
    assert chosen == int(np.argmax([p.scores[-1] for p in particles]))


def test_equal_weights_choose_the_lowest_and_do_not_anneal():
    chosen, _, trace = once(particle_filter(walker(scorer=lambda *a: 0.5), 4, ENTROPIC))
    assert chosen == 0
    assert trace.temperature == [1.0] * 4
    assert trace.ess == near([4.0] * 4)


def test_annealing_raises_the_temperature_early():
    settings = replace(SETTINGS, max_steps=20)
    scorer = lambda p, t, lp: 0.99 if "bad" not in t else 0.01  # noqa: E731
    _, _, trace = once(particle_filter(walker(Scripted(0.2), settings, scorer), 8, ENTROPIC))
    assert max(trace.temperature) > 1
    evenness = trace.ess[0] / 8
    assert trace.temperature[0] == near(max(1, (1 - 1 / 20) / evenness) if evenness < 0.5 else 1.0)


def test_running_out_of_steps_or_tokens_truncates():
    for settings in (replace(SETTINGS, max_steps=2), replace(SETTINGS, max_new_tokens=3)):
        for method in ("pf_prefix", "beam"):
            result = run(method, settings=settings)
            assert all(p.truncated and p.stopped and len(p.ids) <= 4 for p in result.particles)
    assert all(p.truncated for p in run("best_of_n", settings=replace(SETTINGS, max_new_tokens=3)).particles)


def test_two_empty_steps_stop():
    _, particles, _ = once(particle_filter(walker(Scripted(empty=True)), 2))
    assert all(len(p.steps) == 2 and p.stopped for p in particles)


def test_nan_scores_count_as_half_and_others_are_refused():
    result = run("best_of_n", scorer=lambda *a: float("nan"))
    assert result.cost.nan_scores == 8
    assert result.particles[0].scores == [0.5]
    with pytest.raises(ValueError, match="scores must lie"):
        run("best_of_n", scorer=lambda *a: 1.5)


@pytest.mark.parametrize("mode", ["apf", "mean", "next"])
def test_lookahead_is_labelled_and_charged(mode):
    how = Filter(scheme="systematic", annealing="ess", lookahead=mode)
    plain, ahead = run(ENTROPIC), run(how)
    assert ahead.method == f"epf_ess+lam_reconstructed:{mode}"
    assert ahead.cost.generated > plain.cost.generated
    for p in ahead.particles:
        assert len(p.scores) == len(p.steps)
        assert p.scores[-1] == score(PROMPT, p.text, p.steps)


def test_a_unique_survivor_keeps_its_provisional_step():
    w = walker()
    particles = [Particle()]
    once(w.extend(particles, 1))
    ahead = once(w.look_ahead(particles, 2))
    paid, pending = w.cost.generated, particles[0].pending
    once(w.extend(particles, 2))
    assert w.cost.generated == paid
    assert tuple(particles[0].ids[2:]) == pending.ids
    assert particles[0].scores[-1] == ahead[0]


def test_votes_and_aggregates():
    assert searches.vote(["b", "a", None, "b"], [1, 1, 1, 1]) == 0
    assert searches.vote(["b", "a"], [1, 1]) == 1
    assert searches.vote(["b", "a", "b"], [0.2, 0.9, 0.3]) == 1
    assert searches.vote([None, None], [1, 1]) == 0
    found = [searches.aggregate([0.5, 0.2, 0.4], how) for how in ("last", "min", "prod", "mean")]
    assert found == near([0.4, 0.2, 0.04, 0.366667])


def test_step_scores_are_paid_for():
    last, low = run("best_of_n"), run("best_of_n", settings=replace(SETTINGS, aggregate="min"))
    assert last.cost.scorer_calls == 8
    assert low.cost.scorer_calls == sum(len(p.steps) for p in low.particles) == 32


def test_a_result_has_oracle_and_majority_beside_selected():
    for method in ("pf_prefix", "best_of_n", "self_consistency"):
        found = run(method)
        assert found.selected <= found.oracle
        assert 0 <= found.majority <= found.oracle


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="method"):
        run("guess")
    with pytest.raises(ValueError, match="width"):
        run("beam", particles=6)
