"""A marketer's walk through the dashboard: from the sign-in to the blacklist, without a reload."""

import csv
import re
from datetime import timedelta
from pathlib import Path

from playwright.async_api import Locator, Page, expect

from gql_server.services import utc_now
from tests.browser import Visit
from tests.conftest import Api
from tests.dashboard.looking import (
    finished_campaign,
    live,
    messages_of,
    open_page,
    open_report,
    record,
    sign_in,
    told_of_others,
)


def row(page: Page, name: str) -> Locator:
    """A campaign's row in the history."""
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name))


async def test_who_has_no_key_is_asked_for_one_and_a_wrong_one_is_refused(
    api: Api, visit: Visit
) -> None:
    page = visit.page
    await page.goto(f"{api.base}/")

    await page.get_by_label("API key or token").fill("gqs_of_nobody")
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.get_by_text("The server does not know this key")).to_be_visible()
    assert visit.sockets == []
    assert await visit.stored() == {}


async def test_a_key_is_kept_for_the_tab_and_stands_in_no_address(api: Api, visit: Visit) -> None:
    page = visit.page

    await sign_in(page, api.base, api.key)
    await expect(live(page)).to_have_attribute("data-live", "live")
    await page.reload()
    await expect(page.get_by_role("heading", name="Campaigns")).to_be_visible()

    assert not [request.url for request in visit.requests if api.key in request.url]
    kept = await page.evaluate("() => [Object.values(sessionStorage), Object.values(localStorage)]")
    assert kept == [[api.key], []]

    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("API key or token")).to_be_visible()
    assert api.key not in (await visit.stored()).values()
    assert told_of_others(visit, api) == []


async def test_a_key_that_is_revoked_leads_back_to_the_sign_in(api: Api, visit: Visit) -> None:
    page = visit.page
    await page.goto(f"{api.base}/#key=gqs_of_nobody")

    await expect(page.get_by_text("no longer takes the key of this session")).to_be_visible()
    assert await visit.stored() == {}


async def test_the_history_shows_searches_filters_and_moves(api: Api, visit: Visit) -> None:
    # Given a finished campaign and a running one
    page = visit.page
    await finished_campaign(api, "Winter sale", 40)
    running = await api.new_campaign(20, name="Spring sale")
    await sign_in(page, api.base, api.key)

    # Then both are there with their rates
    await expect(row(page, "Winter sale")).to_contain_text("Completed")
    await expect(row(page, "Winter sale")).to_contain_text("90.0%")
    await expect(row(page, "Spring sale")).to_contain_text("0%")

    # When receipts come, the row moves by itself
    sent = [message["id"] for message in await messages_of(api, running)]
    await record(api, sent[:5], "RECEIVED")
    await expect(row(page, "Spring sale")).to_contain_text("25")

    # And a new campaign appears by itself
    await api.new_campaign(1, name="Summer sale")
    await expect(row(page, "Summer sale")).to_be_visible()

    # When it is searched and filtered, only what fits is shown
    await page.get_by_label("Search by name").fill("winter")
    await expect(page.get_by_role("link", name=re.compile("sale"))).to_have_text(["Winter sale"])
    await page.get_by_label("Search by name").fill("")
    await page.get_by_role("combobox", name="State").click()
    await page.get_by_role("option", name="Sending").click()
    await expect(page.get_by_role("link", name=re.compile("sale"))).to_have_text(
        ["Summer sale", "Spring sale"]
    )
    yesterday = f"{utc_now() - timedelta(days=1):%Y-%m-%d}"
    await page.get_by_label("Sent until").fill(yesterday)
    await expect(page.get_by_text("No campaign fits")).to_be_visible()
    await page.get_by_role("button", name="Show all").click()
    await expect(page.get_by_role("link", name=re.compile("sale"))).to_have_count(3)
    assert visit.errors == []


async def test_the_rates_of_a_running_campaign_change_without_a_reload(
    api: Api, visit: Visit
) -> None:
    # Given the report of a running campaign
    page = visit.page
    campaign = await api.new_campaign(40)
    sent = [message["id"] for message in await messages_of(api, campaign)]
    await open_report(page, api, campaign)
    await page.evaluate("() => { window.notReloaded = true }")
    tile = page.get_by_role("listitem").filter(has_text="Receipt rate").first
    await expect(tile).to_contain_text("0%")

    # When receipts come
    await record(api, sent[:30], "RECEIVED")
    await record(api, sent[30:32], "ROUTING_ERROR", errorCode="X9")

    # Then every part of the page has followed
    await expect(tile).to_contain_text("75")
    await expect(page.get_by_role("row", name=re.compile("^Routing error 2"))).to_be_visible()
    await expect(page.get_by_text(re.compile("^32 receipts"))).to_be_visible()
    await page.get_by_text("Error code", exact=True).click()
    await expect(page.get_by_role("row", name=re.compile("X9"))).to_contain_text("2")
    assert await page.evaluate("() => window.notReloaded") is True
    assert visit.errors == []
    assert told_of_others(visit, api) == []


async def test_a_list_of_five_thousand_is_walked_to_its_end_filtered_searched_and_opened(
    api: Api, visit: Visit
) -> None:
    page = visit.page
    campaign = await api.new_campaign(5000)
    first = (await messages_of(api, campaign, most=100))[:3]
    await open_report(page, api, campaign, "reports")
    grid = page.get_by_role("grid")
    await expect(grid).to_have_attribute("aria-rowcount", "5001")
    await expect(page.get_by_role("row", name=re.compile(r"\+33600000000"))).to_be_visible()

    # To the end, and on from somewhere in the middle
    await grid.focus()
    await page.keyboard.press("End")
    await expect(page.get_by_role("row", name=re.compile(r"\+33600004999"))).to_be_visible()
    await page.keyboard.press("Home")
    await expect(page.get_by_role("row", name=re.compile(r"\+33600000000"))).to_be_visible()
    await grid.evaluate("(grid) => { grid.scrollTop = grid.scrollHeight / 2 }")
    await expect(page.get_by_role("row", name=re.compile(r"\+336000025\d\d")).first).to_be_visible()
    await page.keyboard.press("Home")

    # Every change is shown in its row
    await record(api, [first[0]["id"]], "RECEIVED")
    line = page.get_by_role("row", name=re.compile(r"\+33600000000"))
    await expect(line).to_contain_text("Received")

    # Filtered by a rate
    await page.get_by_role("tab", name=re.compile("^Received")).click()
    await expect(page.get_by_text("1 of 5,000 messages")).to_be_visible()
    await expect(page.get_by_role("row")).to_have_count(2)

    # One that comes into the list is shown, as long as its top is in sight
    await record(api, [first[2]["id"]], "RECEIVED")
    await expect(page.get_by_role("row", name=re.compile(r"\+33600000002"))).to_be_visible()

    # Searched
    await page.get_by_role("button", name="Show all").click()
    await page.get_by_label("Search by number or name").fill("4321")
    await expect(page.get_by_role("row")).to_have_count(2)
    line = page.get_by_role("row", name=re.compile(r"\+33600004321"))
    await line.click()

    # Opened: its history, which goes on while it is looked at
    message = page.get_by_role("dialog")
    await expect(message).to_contain_text("+33600004321")
    await expect(message.get_by_text("What happened")).to_be_visible()
    (found,) = await messages_of(api, campaign, search="4321")
    await record(api, [found["id"]], "ABSENCE_TEMPORARY_ERROR", errorCode="27")
    await expect(message).to_contain_text("Absence, temporary error")
    await page.keyboard.press("Escape")
    await expect(message).to_be_hidden()
    assert visit.errors == []


async def test_what_is_shown_is_saved_as_a_file(api: Api, visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    campaign = await api.new_campaign(30, name="Été / 2026")
    sent = [message["id"] for message in await messages_of(api, campaign)]
    await record(api, sent[:7], "RECEIVED")
    # the dialog of the system is beyond a test; without it the file comes by a link
    await page.add_init_script("delete window.showSaveFilePicker")
    await open_report(page, api, campaign, "reports")
    await page.get_by_role("tab", name=re.compile("^Received")).click()

    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Export").click()
        await page.get_by_role("menuitem", name="CSV").click()

    file = await downloading.value
    assert file.suggested_filename == "Été-2026.csv"
    await file.save_as(tmp_path / "report.csv")
    text = (tmp_path / "report.csv").read_text("utf-8-sig")
    rows = list(csv.DictReader(text.splitlines()))
    assert [(one["recipient"], one["status"]) for one in rows] == [
        (f"+3360000000{n}", "RECEIVED") for n in range(7)
    ]
    await expect(page.get_by_text("The file is whole and saved.")).to_be_visible()


async def test_a_number_is_put_on_the_blacklist_and_taken_off(api: Api, visit: Visit) -> None:
    page = visit.page
    await open_page(page, api, "/blacklist")
    await expect(page.get_by_text("The list is empty.")).to_be_visible()

    await page.get_by_role("button", name="Add a number").click()
    number = page.get_by_role("dialog").get_by_label("Number")
    await number.fill("nobody")
    await page.get_by_role("dialog").get_by_role("button", name="Add a number").click()
    await expect(page.get_by_role("dialog")).to_contain_text("This is no phone number")
    await number.fill("+33 6 00 00 00 01")
    await page.get_by_role("dialog").get_by_role("button", name="Add a number").click()
    line = page.get_by_role("row", name=re.compile(r"\+33600000001"))
    await expect(line).to_contain_text("By hand")

    await line.get_by_role("button").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    await expect(line).to_be_visible()
    await line.get_by_role("button").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("The list is empty.")).to_be_visible()
    assert (await api.ask("{ blacklist { nodes { id } } }"))["blacklist"]["nodes"] == []


async def test_a_contact_is_written_down_changed_removed_by_a_receipt_and_restored(
    api: Api, visit: Visit
) -> None:
    page = visit.page
    await open_page(page, api, "/contacts")

    await page.get_by_role("button", name="Add a contact").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Number").fill("+33600000001")
    await form.get_by_label("Name", exact=True).fill("Zoé")
    await form.get_by_role("button", name="Save").click()
    line = page.get_by_role("row", name=re.compile(r"\+33600000001"))
    await expect(line).to_contain_text("Zoé")

    await line.get_by_role("button", name="Change +33600000001").click()
    await form.get_by_label("Name", exact=True).fill("Zoé Martin")
    await form.get_by_role("button", name="Save").click()
    await expect(line).to_contain_text("Zoé Martin")

    campaign = await api.new_campaign(0, name="Spring sale")
    (message,) = await api.add(campaign, ["+33600000001"])
    await record(api, [message["id"]], "ABSENCE_PERMANENT_ERROR", numberCaused=True)
    await page.get_by_role("tab", name=re.compile("^Removed")).click()
    await expect(line).to_contain_text("Permanent error")
    await expect(line.get_by_role("link", name="Spring sale")).to_be_visible()

    await line.get_by_role("button", name="Restore").click()
    await page.get_by_role("dialog").get_by_role("button", name="Restore").click()
    await expect(page.get_by_text("Nobody was removed.")).to_be_visible()


async def test_a_file_is_brought_in_with_its_refused_lines(
    api: Api, visit: Visit, tmp_path: Path
) -> None:
    page = visit.page
    await api.new_campaign(0, name="Spring sale")
    file = tmp_path / "people.csv"
    file.write_text(
        "number;name\n+33600000001;Zoé\nnobody;Nobody\n+33600000001;Again\n+33600000002;Léa\n"
    )
    await open_page(page, api, "/import")

    await page.get_by_role("combobox", name="Campaign").click()
    await page.get_by_role("option", name="Spring sale").click()
    await page.get_by_label("File", exact=True).set_input_files(file)
    await expect(page.get_by_text("+33600000002;Léa")).to_be_visible()
    await page.get_by_role("button", name="Import", exact=True).click()

    card = page.get_by_role("region", name="people.csv")
    await expect(card).to_contain_text("2 added")
    await expect(card).to_contain_text("2 lines were refused")
    await expect(card.get_by_role("row", name="3 This is no phone number")).to_be_visible()
    await expect(card.get_by_role("row", name="4 The campaign has this number")).to_be_visible()
    assert visit.errors == []


async def test_a_key_that_may_only_read_reports_is_offered_nothing_else(
    api: Api, visit: Visit
) -> None:
    page = visit.page
    campaign = await api.new_campaign(3)
    key = await api.new_key(scopes=frozenset({"reports:read"}))
    await open_page(page, api, "/contacts", key=key)

    await expect(page.get_by_text("Your key may not read contacts")).to_be_visible()
    await expect(page.get_by_role("button", name="Add a contact")).to_have_count(0)
    await page.evaluate("() => { location.hash = '/import' }")
    await expect(page.get_by_text("Your key may not bring anything in")).to_be_visible()
    await page.evaluate("(id) => { location.hash = `/campaigns/${id}/reports` }", campaign)
    await expect(page.get_by_role("row", name=re.compile("•")).first).to_be_visible()
    await expect(page.get_by_label("Search by number or name")).to_be_disabled()
    assert visit.errors == []


async def test_the_page_speaks_the_language_that_is_chosen(api: Api, visit: Visit) -> None:
    page = visit.page
    await open_page(page, api)

    await page.get_by_label("Language").select_option("fr")

    await expect(page.get_by_role("heading", name="Campagnes")).to_be_visible()
    assert await page.evaluate("() => document.documentElement.lang") == "fr"
    await page.reload()
    await expect(page.get_by_role("heading", name="Campagnes")).to_be_visible()
