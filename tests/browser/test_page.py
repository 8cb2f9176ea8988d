"""A person walks through the page: from signing up to being erased."""

from __future__ import annotations

import asyncio
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters.clock import SystemClock
from adapters.stores.sql import SqlStore
from core.types import ConversationKind, Place, PlatformName, UserId, new_id
from tests.browser.conftest import OUT, SlowSite, web

if TYPE_CHECKING:
    from playwright.sync_api import Page

PASSWORD = "correct horse battery"
AXE = os.environ.get("AXE_CORE", "")
pytestmark = pytest.mark.timeout(180)


def sign_up(page: Page, address: str = "") -> str:
    email = f"ana-{new_id()[:8]}@example.org"
    page.goto(f"{address}/")
    page.get_by_role("button", name="New here? Create an account").click()
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("textbox", name="Message").wait_for()
    return email


def say(page: Page, text: str) -> str:
    """The answer, when it is whole."""
    before = page.locator(".message.assistant").count()
    page.get_by_role("textbox", name="Message").fill(text)
    page.keyboard.press("Enter")
    answer = page.locator(".message.assistant").nth(before)
    answer.wait_for()
    page.locator(".log[aria-busy=false]").wait_for()
    return answer.inner_text()


def go(page: Page, name: str) -> None:
    page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()


def badge(page: Page) -> str:
    shown = page.locator(".badge")
    assert shown.is_visible()
    box, size = shown.bounding_box(), page.viewport_size
    assert box is not None
    assert size is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= size["width"]
    return shown.inner_text()


def check(page: Page, looks: str, name: str) -> None:
    """A screenshot, no sideways scrolling, and no serious fault that axe finds."""
    page.wait_for_timeout(250)  # the end of the entry animation, so that colours are the final ones
    page.screenshot(path=OUT / f"{looks}-{name}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    if not AXE:
        return
    page.context.new_cdp_session(page).send("Page.setBypassCSP", {"enabled": True})
    page.evaluate(Path(AXE).read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    serious = [
        (item["id"], [node["target"] for node in item["nodes"]])
        for item in found["violations"]
        if item["impact"] in ("serious", "critical")
    ]
    assert serious == [], json.dumps(serious)


def test_the_whole_way(page: Page, looks: str) -> None:
    page.goto("/")
    page.get_by_role("button", name="Sign in").wait_for()
    check(page, looks, "1-door")
    email = sign_up(page)
    assert "Remembering" in badge(page)
    check(page, looks, "2-empty")

    say(page, "My dog is called Rex and he loves the beach.")
    say(page, "My sister Mia lives in Lisbon.")
    assert "Rex" in say(page, "What is my dog called?")
    assert "used 1 memory" in page.locator(".message.assistant").last.inner_text()
    answer = page.locator(".message.assistant").last
    answer.get_by_text("used 1 memory").click()
    answer.get_by_text("· this page").wait_for()
    assert "he loves the beach" in answer.locator(".reasons").inner_text()
    check(page, looks, "3-talk")
    page.reload()
    page.locator(".message.assistant").nth(2).wait_for()
    assert "used 1 memory" in page.locator(".message.assistant").last.inner_text()

    page.locator(".modes label", has_text="Incognito").click()
    page.get_by_text("This talk is incognito").wait_for()
    assert "Incognito" in badge(page)
    say(page, "My bank is the Blue Bank.")
    check(page, looks, "4-incognito")

    go(page, "Memories")
    assert "Incognito" in badge(page)
    page.get_by_text("My dog is called Rex").wait_for()
    assert "told on this page" in page.get_by_role("listitem").filter(has_text="Rex").inner_text()
    assert page.get_by_text("Blue Bank").count() == 0
    check(page, looks, "5-memories")
    page.get_by_label("Search memories").fill("sister")
    page.get_by_text("1 memory found").wait_for()
    page.get_by_label("Search memories").fill("")
    page.get_by_text("2 memories", exact=True).wait_for()

    rex = page.get_by_role("listitem").filter(has_text="Rex")
    rex.get_by_role("button", name="Edit").click()
    page.get_by_label("The memory's text").fill("My dog is called Max.")
    page.get_by_role("button", name="Save").click()
    dog = page.get_by_role("listitem").filter(has_text="called Max")
    dog.get_by_role("button", name="Forget").click()
    page.get_by_role("button", name="Undo").click()
    assert "leaving" not in str(dog.get_attribute("class"))
    dog.get_by_role("button", name="Forget").click()
    page.get_by_text(re.compile("Forgotten. Receipt")).wait_for()
    assert page.get_by_role("listitem").filter(has_text="called Max").count() == 0

    go(page, "Profiles")
    page.get_by_label("Name", exact=True).last.fill("work")
    page.get_by_role("button", name="Make it").click()
    page.get_by_text("It is there.").wait_for()
    page.get_by_label("Name", exact=True).last.fill("WORK")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("alert").wait_for()  # the name is taken
    work = page.get_by_role("listitem").filter(has_text="work")
    work.get_by_role("button", name="Use here").click()
    assert page.locator("select.profile option:checked").inner_text() == "work"
    check(page, looks, "6-profiles")
    go(page, "Memories")
    page.get_by_text("I know nothing in “work” yet.").wait_for()

    go(page, "Talks")
    # The words that were forgotten went out of the talk, too.
    page.get_by_text("My sister Mia lives in Lisbon.").wait_for()
    page.get_by_text("Incognito: nothing of it is kept.").first.wait_for()
    check(page, looks, "7-talks")

    go(page, "Account")
    page.get_by_label("What I call you").fill("Ana")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    page.get_by_role("button", name="Make a code").click()
    page.get_by_text("/link ").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as JSON").click()
    exported = json.loads(Path(download.value.path()).read_text())
    assert exported["person"]["email"] == email
    assert "Blue Bank" not in json.dumps(exported)
    check(page, looks, "8-account")

    page.get_by_role("button", name="Erase everything…").click()
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("button", name="Erase everything").is_disabled()
    dialog.get_by_role("textbox").fill("DELETE EVERYTHING")
    check(page, looks, "9-erase")
    dialog.get_by_role("button", name="Erase everything").click()
    page.get_by_text("I looked again and found nothing.").wait_for()
    check(page, looks, "10-receipt")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("E-mail address or password is wrong.").wait_for()


def test_a_reply_is_text_and_never_markup(page: Page, looks: str) -> None:
    """The offline model quotes what it was told, so a memory comes back as a reply."""
    sign_up(page)
    evil = "My dog is called <img src=x onerror=alert(1)> [Rex](javascript:alert(2)) **bold** `code`"
    say(page, evil)
    say(page, "What is my dog called?")
    log = page.locator(".log")
    assert log.locator("img").count() == 0
    assert log.locator("a[href^=javascript]").count() == 0
    rendered = page.evaluate(
        """async () => {
          const { markdown } = await import("./markdown.js");
          const place = document.createElement("div");
          place.append(...markdown("# Title\\n\\n**bold** *soft* `code` ~~old~~ [site](https://example.org/a_b_c) "
            + "[bad](javascript:alert(1)) <b>no</b> snake_case_name\\n\\n- one\\n  - deeper\\n- two\\n\\n1. first\\n\\n"
            + "> said\\n\\n| a | b |\\n|---|---|\\n| 1 | 2 |\\n\\n```py\\nprint('<b>')\\n```"));
          return { html: place.innerHTML, text: place.textContent };
        }"""
    )
    html = rendered["html"]
    for piece in (
        "<h3>Title</h3>",
        "<strong>bold</strong>",
        "<em>soft</em>",
        "<code>code</code>",
        "<s>old</s>",
        'href="https://example.org/a_b_c"',
        "&lt;b&gt;no&lt;/b&gt;",
        "snake_case_name",
        "<blockquote>",
        "<td>2</td>",
        '<ol start="1">',
        "print('&lt;b&gt;')",
    ):
        assert piece in html, piece
    assert "javascript:" not in html.replace("[bad](javascript:alert(1))", "")
    assert "<b>" not in html


@pytest.mark.parametrize("page", ["light"], indirect=True)
def test_an_answer_is_read_while_it_is_written_and_stopped(page: Page, looks: str, slow_site: SlowSite) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=slow_site.address)
    sign_up(page, slow_site.address)
    page.get_by_role("textbox", name="Message").fill("How do I greet the world?")
    page.keyboard.press("Enter")
    answer = page.locator(".message.assistant").last
    answer.locator("strong", has_text="way").wait_for()
    answer.get_by_text("And then").wait_for()
    answer.get_by_role("button", name="Copy").click()
    page.get_by_text("Copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").strip() == "print('hello')"
    check(page, looks, "11-writing")
    page.get_by_role("button", name="Stop the answer").click()
    answer.get_by_text("Stopped").wait_for()
    page.get_by_role("button", name="Send", exact=True).wait_for()
    assert slow_site.left.wait(10)
    # The part that was read is in the talk.
    page.reload()
    page.locator(".message.assistant").get_by_text("And then").wait_for()


@pytest.mark.parametrize("page", ["light", "phone"], indirect=True)
def test_a_profile_is_shared_with_a_room_and_taken_back(page: Page, looks: str, tmp_path: Path) -> None:
    with web(tmp_path) as address:
        sign_up(page, address)
        me = page.evaluate("import('./state.js').then(({ state }) => state.me.id)")
        go(page, "Profiles")
        page.get_by_text("Change", exact=True).click()
        page.get_by_label("Instructions").wait_for()
        assert page.get_by_role("button", name="Share…").count() == 0
        with ThreadPoolExecutor() as pool:
            pool.submit(asyncio.run, talked_in_a_room(tmp_path / "state" / "memorychat.db", me)).result()
        page.reload()
        page.get_by_text("Change", exact=True).click()
        page.get_by_role("button", name="Share…").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("Everybody who can read that room").wait_for()
        check(page, looks, "12-share")
        dialog.get_by_role("button", name="Share it").click()
        page.get_by_text("Slack room C0123, since").wait_for()
        assert page.get_by_role("button", name="Share…").count() == 0
        check(page, looks, "13-shared")
        page.get_by_role("button", name="Unshare").click()
        page.get_by_role("button", name="Share…").wait_for()
        assert page.get_by_text("Slack room C0123, since").count() == 0


async def talked_in_a_room(database: Path, user_id: str) -> None:
    """As the bot keeps it when somebody is greeted in a channel."""
    store = SqlStore(f"sqlite:///{database}", SystemClock())
    await store.open()
    try:
        room = await store.resolve_conversation(Place(PlatformName("slack"), "T1", "C0123"), ConversationKind.SHARED)
        await store.save_member(await store.get_member(room.id, UserId(user_id)))
    finally:
        await store.close()


@pytest.mark.parametrize("page", ["light"], indirect=True)
def test_leaving_the_page_ends_the_answer(page: Page, looks: str, slow_site: SlowSite) -> None:
    sign_up(page, slow_site.address)
    page.get_by_role("textbox", name="Message").fill("How do I greet the world?")
    page.keyboard.press("Enter")
    page.locator(".message.assistant").last.get_by_text("And then").wait_for()
    go(page, "Memories")
    assert slow_site.left.wait(10)


@pytest.mark.parametrize("page", ["light"], indirect=True)
def test_a_mode_that_could_not_be_changed_is_not_shown_as_changed(page: Page, looks: str) -> None:
    sign_up(page)
    say(page, "I live in Porto.")
    page.route(re.compile("/api/v1/sessions/"), lambda route: route.abort())
    page.locator(".modes label", has_text="Paused").click()
    page.get_by_role("alert").get_by_text("cannot be reached").wait_for()
    assert page.get_by_role("radio", name="Normal").is_checked()
    assert "Remembering" in badge(page)
    page.unroute_all()
    page.locator(".modes label", has_text="Paused").click()
    page.locator(".badge", has_text="Memory paused").wait_for()


def test_it_is_used_by_keyboard_alone(page: Page, looks: str) -> None:
    sign_up(page)
    page.get_by_role("textbox", name="Message").focus()
    page.keyboard.type("I live in Porto.")
    page.keyboard.press("Enter")
    page.locator(".message.assistant").first.wait_for()
    page.locator(".log[aria-busy=false]").wait_for()
    page.get_by_role("radio", name="Normal").focus()
    page.keyboard.press("ArrowRight")
    page.locator(".badge", has_text="Memory paused").wait_for()
    page.get_by_role("radio", name="Paused").press("ArrowRight")
    page.locator(".badge", has_text="Incognito").wait_for()
    page.reload()
    page.locator(".badge").wait_for()


def test_signing_out_elsewhere_leads_back_to_the_door(page: Page, looks: str) -> None:
    sign_up(page)
    go(page, "Account")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in").wait_for()
    assert page.evaluate("localStorage.getItem('memorychat.tokens')") is None
