"""Files in the chat: brought along, on their way, seen by everybody who looks, and opened."""

import base64
import struct
import zlib
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Enter
from tests.browser.test_watching import ended
from tests.site import Person, Site

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DROP = """(node, { data, name, type }) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, { type }));
    for (const kind of ["dragenter", "dragover", "drop"]) node.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""
PASTE = """(node, { data }) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], "image.png", { type: "image/png" }));
    node.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }));
}"""


def png(width: int = 320, height: int = 200, shade: int = 90) -> bytes:
    """A picture that is not like those of other shades."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(
        b"\0" + bytes(value for x in range(width) for value in (x * 255 // width, shade, y * 255 // height)) for y in range(height)
    )
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pick(page: Page, *files: tuple[str, str, bytes]) -> None:
    page.locator("#composer input[type=file]").set_input_files(
        [{"name": name, "mimeType": kind, "buffer": data} for name, kind, data in files]
    )


@pytest.mark.parametrize("size", [{}, PHONE])
def test_pictures_and_files_of_a_message(enter: Enter, alice: Person, bob: Person, shared: str, size: dict[str, object]) -> None:
    page, other = enter(alice, **size).open(f"/threads/{shared}/"), enter(bob).open(f"/threads/{shared}/")
    send = page.get_by_role("button", name="Send", exact=True)
    expect(send).to_be_disabled()
    pick(page, ("beach.png", "image/png", png()), ("notes.txt", "text/plain", b"Bring a towel."))
    waiting = page.get_by_role("list", name="Files to be sent").get_by_role("listitem")
    expect(waiting).to_have_count(2)
    expect(waiting.nth(1)).to_contain_text("14 bytes")
    page.locator("main").evaluate(DROP, {"data": coded(png(shade=200)), "name": "sunset.png", "type": "image/png"})
    page.locator("#text").evaluate(PASTE, {"data": coded(png(shade=30))})
    expect(waiting).to_have_count(4)
    page.get_by_role("button", name="Remove sunset.png").click()
    expect(waiting).to_have_count(3)
    expect(page.get_by_role("button", name="Remove image.png")).to_be_focused()
    page.locator("#text").fill("Where is it? [[tokens=3]]")
    page.keyboard.press("Enter")
    expect(waiting).to_have_count(0)
    for each in (page, other):
        ended(each)
        message = each.locator(".message.own, .message").filter(has_text="Where is it?")
        expect(message.get_by_role("button", name="Show beach.png")).to_be_visible()
        expect(message.get_by_role("link", name="notes.txt")).to_contain_text("14 bytes")
        expect(message.locator(".picture")).to_have_count(2)
        each.wait_for_function("() => [...document.querySelectorAll('.picture img')].every((image) => image.naturalWidth === 320)")
    with page.expect_download() as download:
        page.get_by_role("link", name="notes.txt").click()
    assert Path(download.value.path()).read_bytes() == b"Bring a towel."
    assert download.value.suggested_filename == "notes.txt"
    other.reload()
    expect(other.locator(".picture")).to_have_count(2)


def test_a_picture_seen_large(enter: Enter, alice: Person) -> None:
    thread = alice.new_thread("support")
    page = enter(alice).open(f"/threads/{thread}/")
    pick(page, ("one.png", "image/png", png(shade=1)), ("two.png", "image/png", png(1600, 20, shade=2)))
    page.locator("#text").press("Enter")
    button = page.get_by_role("button", name="Show one.png")
    button.focus()
    page.keyboard.press("Enter")
    box = page.get_by_role("dialog", name="Picture")
    expect(box.get_by_role("img", name="one.png")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(box.get_by_role("img", name="two.png")).to_be_visible()
    assert box.get_by_role("img").bounding_box()["width"] <= 1440  # type: ignore[index]
    page.keyboard.press("ArrowRight")
    expect(box.get_by_role("img", name="one.png")).to_be_visible()
    with page.expect_download() as download:
        box.get_by_role("link", name="Save").click()
    assert Path(download.value.path()).read_bytes() == png(shade=1)
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(button).to_be_focused()


def test_what_cannot_be_taken_is_said_before_it_is_sent(enter: Enter, alice: Person) -> None:
    thread = alice.new_thread("support")
    page = enter(alice).open(f"/threads/{thread}/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/files" in request.url else None)
    expect(page.locator("#attach")).to_have_attribute("title", "Up to 10 files of 20 MB each; or drop them here, or paste a picture")
    pick(page, ("film.mp4", "video/mp4", b"x" * 20_000_001), ("nothing.txt", "text/plain", b""))
    expect(page.locator("#composer-error")).to_have_text("film.mp4 is larger than 20 MB. nothing.txt is empty.")
    assert asked == []
    pick(page, *((f"{number}.txt", "text/plain", b"%d" % number) for number in range(12)))
    expect(page.locator("#composer-error")).to_have_text("Only 10 files fit into a message.")
    expect(page.locator(".attachment")).to_have_count(10)


def test_on_a_slow_line(enter: Enter, alice: Person) -> None:
    """Progress, taking one back, sending as soon as all are there, and another try after a broken line."""
    thread = alice.new_thread("support")
    tab = enter(alice)
    page = tab.open(f"/threads/{thread}/")
    line = tab.context.new_cdp_session(page)
    line.send("Network.enable")
    speed = {"offline": False, "latency": 20, "downloadThroughput": 1_000_000}
    line.send("Network.emulateNetworkConditions", {**speed, "uploadThroughput": 20_000})
    pick(page, ("first.bin", "application/zip", bytes(range(256)) * 4000), ("second.bin", "application/zip", bytes(range(255)) * 4000))
    bar = page.get_by_role("progressbar", name="Uploading second.bin")
    expect(bar).to_be_visible()
    page.wait_for_function("() => [...document.querySelectorAll('.attachment progress')].some((bar) => bar.value > 0 && bar.value < 1)")
    page.get_by_role("button", name="Remove first.bin").click()
    expect(page.locator(".attachment")).to_have_count(1)
    page.locator("#text").fill("Here it is. [[tokens=3]]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    expect(page.locator(".message")).to_have_count(0)
    line.send("Network.emulateNetworkConditions", {**speed, "uploadThroughput": -1})
    expect(page.locator(".message").filter(has_text="Here it is.").get_by_role("link", name="second.bin")).to_be_visible()
    expect(page.locator(".attachment")).to_have_count(0)
    tab.expected.append("/api/files")
    page.route("**/api/files?*", lambda route: route.abort())
    pick(page, ("third.txt", "text/plain", b"3"))
    expect(page.locator(".attachment")).to_contain_text("No connection to the server.")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    page.unroute("**/api/files?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled()


def test_a_draft_is_in_every_tab_and_goes_with_the_session(enter: Enter, site: Site) -> None:
    person = site.person("drafter")
    thread = person.new_thread("support")
    tab = enter(person)
    page = tab.open(f"/threads/{thread}/")
    pick(page, ("beach.png", "image/png", png()))
    page.locator("#text").fill("Not yet sent")
    expect(page.locator(".attachment progress")).to_be_hidden()
    page.reload()
    expect(page.locator("#text")).to_have_value("Not yet sent")
    expect(page.get_by_role("button", name="Remove beach.png")).to_be_visible()
    second = tab.context.new_page()
    second.goto(page.url)
    expect(second.locator("#text")).to_have_value("Not yet sent")
    expect(second.locator(".attachment")).to_have_count(1)
    second.locator("#text").fill("Sent from here [[tokens=2]]")
    second.keyboard.press("Enter")
    expect(second.locator(".message").filter(has_text="Sent from here")).to_be_visible()
    expect(page.locator("#text")).to_have_value("")
    expect(page.locator(".attachment")).to_have_count(0)
    page.locator("#text").fill("Secret")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/sign-in/**")
    assert page.evaluate("() => Object.keys(localStorage).filter((key) => key.startsWith('draft:'))") == []


def test_whoever_has_a_link_sees_the_files(enter: Enter, alice: Person) -> None:
    thread = alice.new_thread("support")
    page = enter(alice).open(f"/threads/{thread}/")
    pick(page, ("beach.png", "image/png", png()))
    page.locator("#text").press("Enter")
    expect(page.locator(".answer .prose")).to_be_visible()  # sent, and not only shown
    url = alice.post(f"/threads/{thread}/links").json()["url"]
    reader = enter(None)
    shown = reader.page
    shown.goto(url)
    expect(shown.get_by_role("button", name="Show beach.png")).to_be_visible()
    shown.wait_for_function("() => document.querySelector('.picture img').naturalWidth === 320")
