"""The page in Chromium: the numbers of the ledger, filters, keys, colours, and names that want to be markup."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from browser.conftest import OpenPage, Watched, settled
from browser.rows import HOSTILE, exchanges
from click.testing import CliRunner

from ringlet_mitm.cli.main import group
from ringlet_mitm.rules.home import Home

ROWS = [row for row, _ in exchanges()]
TABS = ("rule", "model", "provider", "agent", "project", "session")
DARK, LIGHT = "rgb(20, 24, 31)", "rgb(255, 255, 255)"


def dollars(rows: list[Any]) -> str:
    """What they cost, summed by hand; a request that failed before it used a token cost nothing."""
    costs = [row.cost_total if row.cost_total is not None or not row.error_class else Decimal(0) for row in rows]
    known = sum((cost for cost in costs if cost is not None), Decimal(0))
    return f"{'≥' if None in costs else ''}${known:,.2f}"


def total(page: Any, name: str) -> str:
    text = page.locator(f"#total-{name} dd").evaluate("made => made.firstChild.textContent")
    assert isinstance(text, str)
    return text


def cells(page: Any, where: str) -> list[list[str]]:
    """The rows of a table as texts, its head and total included."""
    found = page.locator(f"{where} tr").evaluate_all("rows => rows.map(row => [...row.cells].map(c => c.textContent))")
    assert isinstance(found, list)
    return found


def test_totals_are_the_ledgers(site: str, open_page: OpenPage) -> None:
    page = open_page(site)
    assert total(page, "cost") == dollars(ROWS)
    assert total(page, "requests") == f"{len(ROWS):,}"
    assert total(page, "errors") == "4"
    page.wait_for_selector("#analysis-errors")
    tokens_in = sum(row.input_tokens + row.cache_read_tokens for row in ROWS)
    read = sum(row.cache_read_tokens for row in ROWS)
    assert total(page, "cache") == f"{read / tokens_in * 100:.0f}%"


def said(home: Home, *words: str) -> str:
    """What the command line prints."""
    done = CliRunner().invoke(group, ["usage", *words], env={"RINGLET_HOME": str(home.config)}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_tables_are_those_of_the_command_line(site: str, home: Home, open_page: OpenPage) -> None:
    page = open_page(site)
    for tab in TABS:
        page.click(f"#tab-{tab}")
        lines = [re.split(r"\s{2,}", line.strip()) for line in said(home, "--by", tab, "--sort", "cost").splitlines()]
        head, *rows = [[cell.replace(",", "") for cell in row] for row in cells(page, "#panel")]
        printed = [[line[0], *(cell.replace(",", "") for cell in line[1:])] for line in lines if len(line) > 1]
        assert [title.upper() for title in head] == printed[0]
        assert sorted([row[0].replace("total", "TOTAL"), *row[1:]] for row in rows) == sorted(printed[1:])


def test_analyses_are_those_of_the_command_line(site: str, home: Home, open_page: OpenPage) -> None:
    page = open_page(site)
    page.wait_for_selector("#analysis-errors")
    for name in ("cache", "savings", "latency", "errors"):
        lines = [line.replace(",", "") for line in said(home, name).splitlines()]
        rows = cells(page, f"section[aria-labelledby=analysis-{name}]")[1:]
        assert len(rows) > 1
        for row in rows:
            numbers = [cell.replace(",", "") for cell in row if cell and cell != "total"]
            assert any(all(number in line for number in numbers) for line in lines), row


def test_the_chart_adds_up_to_the_totals(site: str, open_page: OpenPage) -> None:
    page = open_page(site)
    assert page.locator("#chart canvas").count() == 1
    for stack in ("rule", "model", "provider"):
        page.check(f"input[name=stack][value={stack}]")
        page.check("input[name=measure][value=requests]")
        counts = page.locator("#legend li b").all_inner_texts()
        assert sum(int(count.replace(",", "")) for count in counts) == len(ROWS)
    page.locator("main summary").click()
    assert len(cells(page, "#values")) == 1 + 7


def choose(page: Any, name: str, *values: str) -> None:
    """Tick these in the filter's list, or take the tick away."""
    page.click(f"#filter-{name}")
    for value in values:
        page.locator(f".choice[data-name={name}] label").get_by_text(value, exact=True).click()
        settled(page)
    page.keyboard.press("Escape")


def ticked(page: Any, name: str) -> list[str]:
    """What the filter's list has ticked."""
    found = page.locator(f".choice[data-name={name}] input:checked").evaluate_all("all => all.map(box => box.value)")
    assert isinstance(found, list)
    return found


def shown(page: Any, name: str) -> str:
    """What the filter's button says."""
    return str(page.inner_text(f"#filter-{name}")).strip()


def test_a_filter_is_kept_in_the_address(site: str, open_page: OpenPage) -> None:
    page = open_page(site)
    of_groq = [row for row in ROWS if row.provider == "groq"]
    choose(page, "provider", "groq")
    assert page.url.endswith("?provider=groq")
    assert (total(page, "cost"), total(page, "requests")) == (dollars(of_groq), str(len(of_groq)))
    page.reload()
    settled(page)
    assert ticked(page, "provider") == ["groq"] and shown(page, "provider") == "groq"
    assert total(page, "cost") == dollars(of_groq)
    choose(page, "agent", "codex")
    assert total(page, "requests") == "0"
    page.go_back()
    settled(page)
    assert ticked(page, "agent") == [] and shown(page, "agent") == "all"
    assert total(page, "cost") == dollars(of_groq)
    page.click("button[type=reset]")
    settled(page)
    assert (page.url, total(page, "cost")) == (site, dollars(ROWS))


def test_a_filter_takes_several(site: str, open_page: OpenPage) -> None:
    page = open_page(site)
    both = [row for row in ROWS if row.provider in ("anthropic", "groq")]
    choose(page, "provider", "groq", "anthropic")
    assert page.url.endswith("?provider=anthropic&provider=groq")
    assert (total(page, "cost"), total(page, "requests")) == (dollars(both), f"{len(both):,}")
    assert shown(page, "provider").split() == ["anthropic", "+1"]
    assert page.title() == "ringlet-mitm · anthropic · groq"
    page.click("#tab-provider")
    assert [row[0] for row in cells(page, "#panel")[1:-1]] == ["anthropic", "groq"]
    choose(page, "agent", "codex")
    of_codex = [row for row in both if row.agent == "codex"]
    assert total(page, "requests") == str(len(of_codex)) and 0 < len(of_codex) < len(both)
    page.reload()
    settled(page)
    assert (ticked(page, "provider"), ticked(page, "agent")) == (["anthropic", "groq"], ["codex"])
    assert total(page, "cost") == dollars(of_codex)
    choose(page, "provider", "anthropic")
    assert "provider=groq" in page.url and "anthropic" not in page.url
    page.go_back()
    settled(page)
    assert ticked(page, "provider") == ["anthropic", "groq"]
    page.click("#filter-provider")
    page.click(".choice[data-name=provider] button.all")
    settled(page)
    assert "provider=" not in page.url and ticked(page, "provider") == []


def test_several_are_what_the_command_line_says_of_them(site: str, home: Home, open_page: OpenPage) -> None:
    page = open_page(f"{site}?model=own-model&model=claude-opus-4-6[1m]&tab=model")
    lines = said(home, "--by", "model", "--model", "own-model", "--model", "claude-opus-4-6[[]1m]").splitlines()
    printed = next(re.split(r"\s{2,}", line.strip()) for line in lines if line.startswith("TOTAL"))
    assert [cell for cell in cells(page, "#panel")[-1] if cell] == ["total", *printed[1:]]


def test_a_name_that_nobody_has_any_more_can_be_taken_away(site: str, open_page: OpenPage) -> None:
    page = open_page(f"{site}?model=gone&model=own-model")
    assert total(page, "requests") == "1"
    assert shown(page, "model").split() == ["gone", "+1"]
    choose(page, "model", "gone")
    assert page.url.endswith("?model=own-model")


def test_a_list_closes_when_one_goes_on(site: str, open_page: OpenPage) -> None:
    page = open_page(site)
    is_open = "all => all.filter(one => one.open).map(one => one.parentNode.dataset.name)"
    for name in ("model", "agent"):
        page.click(f"#filter-{name}")
        assert page.locator(".choice details").evaluate_all(is_open) == [name]
    page.click("#over-time")
    assert page.locator(".choice details").evaluate_all(is_open) == []


def test_a_long_list_can_be_searched(site: str, open_page: OpenPage) -> None:
    page = open_page(site)
    page.click("#filter-model")
    page.evaluate("choices.show(() => ['m-3'], { model: [...Array(30).keys()].map(place => `m-${place}`) })")
    page.locator(".choice[data-name=model] .find").fill("M-2")
    seen = page.locator(".choice[data-name=model] label:visible").all_inner_texts()
    assert seen == ["m-2", "m-3", *(f"m-{place}" for place in range(20, 30))]


def test_a_name_that_looks_like_a_glob_means_itself(site: str, open_page: OpenPage) -> None:
    page = open_page(site)
    choose(page, "model", "claude-opus-4-6[1m]")
    assert total(page, "requests") == "140"


def test_times(site: str, open_page: OpenPage) -> None:
    page = open_page(f"{site}?since=2026-11-20&until=2026-11-20&tz=UTC")
    assert total(page, "requests") == f"{60 + 4 + 1 + len(HOSTILE)}"
    page.goto(f"{site}?since=2026-11-19&until=2026-11-19&tz=UTC")
    settled(page)
    assert total(page, "requests") == "60"
    assert page.input_value("input[name=since]") == "2026-11-19"
    page.select_option("select[name=period]", "yesterday")
    settled(page)
    assert "period=yesterday" in page.url and "since" not in page.url


def test_a_click_on_a_name_narrows_to_it(site: str, open_page: OpenPage) -> None:
    page = open_page(f"{site}?tab=project")
    page.get_by_role("button", name="website").click()
    settled(page)
    assert "project=website" in page.url
    assert total(page, "requests") == "210"


def test_a_wrong_address_says_why(site: str, open_page: OpenPage, watched: Watched) -> None:
    page = open_page(site)
    page.evaluate("history.replaceState(null, '', '/?period=fortnight'); dispatchEvent(new PopStateEvent('popstate'))")
    page.wait_for_selector("#problem:not([hidden])")
    assert "there is no 'fortnight'" in page.inner_text("#problem")
    # Chromium itself notes an answer of 400.
    assert [complaint for complaint in watched.complaints if "400" not in complaint] == []
    watched.complaints.clear()


def test_colours_are_the_systems_until_somebody_chooses(site: str, open_page: OpenPage) -> None:
    page = open_page(site, color_scheme="light")
    seen = [paper(page)]
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        seen.append(paper(page))
    assert seen == [LIGHT, DARK, LIGHT]
    for colour in (LIGHT, DARK):
        page.click("#theme")
        assert paper(page) == colour
    page.reload()
    settled(page)
    assert paper(page) == DARK


def paper(page: Any) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_all_is_reached_by_keys(site: str, open_page: OpenPage) -> None:
    page = open_page(site)
    reached = []
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("(e => e.id || e.name || e.type || e.tagName)(document.activeElement)"))
    filters = [f"filter-{name}" for name in ("profile", "rule", "provider", "model", "agent")]
    wanted = ["A", "theme", "period", *filters, "reset", "measure", "stack"]
    places = [reached.index(name) for name in (*wanted, "chart", "SUMMARY", "tab-rule")]
    assert places == sorted(places)
    page.focus("#tab-rule")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-model"
    assert page.get_attribute("#tab-model", "aria-selected") == "true"
    assert cells(page, "#panel")[0][0] == "model"
    page.focus("#chart")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#legend .when") == "2026-11-14"
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#legend .when") == "2026-11-15"


def test_filters_are_set_by_keys(site: str, open_page: OpenPage) -> None:
    page = open_page(site)
    focused = "(e => e.id || e.value || e.textContent)(document.activeElement)"
    page.focus("#filter-provider")
    page.keyboard.press("Enter")
    names = page.locator(".choice[data-name=provider] input").evaluate_all("all => all.map(box => box.value)")
    assert len(names) < 12  # else there is a field to search first
    for name in ("", *names):
        page.keyboard.press("ArrowDown" if name != names[-1] else "Tab")
        assert page.evaluate(focused) == (name or "all")
        if name in ("anthropic", "groq"):
            page.keyboard.press("Space")
            settled(page)
            assert page.evaluate(focused) == name
    assert page.url.endswith("?provider=anthropic&provider=groq")
    page.keyboard.press("Escape")
    assert page.evaluate(focused) == "filter-provider"
    assert page.get_attribute(".choice[data-name=provider] details", "open") is None
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    settled(page)
    assert page.url == site


def test_everything_has_a_name_for_readers(site: str, open_page: OpenPage) -> None:
    page = open_page(site)
    assert page.locator("html[lang]").count() == 1
    for role in ("button", "combobox", "tab", "radio", "region"):
        names = page.get_by_role(role).evaluate_all(
            "all => all.map(made => made.ariaLabel || made.labels?.[0]?.textContent || made.textContent)"
        )
        assert names and all(name.strip() for name in names)


def test_names_stay_text(site: str, open_page: OpenPage) -> None:
    page = open_page(site)
    page.wait_for_selector("#analysis-errors")
    for tab in TABS:
        page.click(f"#tab-{tab}")
        names = [row[0] for row in cells(page, "#panel")]
        for name in HOSTILE[:5]:
            assert name in names
        assert "�evil��" in names
    page.get_by_role("button", name="onerror").first.click()
    settled(page)
    assert total(page, "cost") == "$0.01"
    assert page.evaluate("window.hit") is None
    assert page.locator("main img, main svg, main script").count() == 0


def test_days_are_those_of_the_zone_in_the_address(site: str, open_page: OpenPage) -> None:
    page = open_page(f"{site}?since=2026-11-14&until=2026-11-14&tz=Pacific/Auckland")
    assert total(page, "requests") == "0"
    assert page.inner_text("#what").endswith("tz Pacific/Auckland")
