"""What a reader feels who scrolls through a thread of 100,000 messages in Chromium: the time between frames while the wheel turns, what
the page holds, and how long it takes to be at a message in the middle.

python -m benchmarks.scrolling [--messages 100000] [--seconds 20]
"""

import argparse
import shutil
import statistics
import time
from typing import Any

import psycopg
from playwright.sync_api import CDPSession, Page, sync_playwright

from .long_thread import ADVANCE
from .stack import Stack, stack

STEP = 1000  # pixels, some ten times a second: a free wheel
FILL = """
INSERT INTO threads_message (id, thread_id, "order", step_order, role, status, agent_name, content, is_tool, provider, model,
                             finish_reason, reasoning, sources, warnings, provider_metadata, version)
SELECT gen_random_uuid(), %(thread)s, n / 2, n %% 2, CASE n %% 2 WHEN 0 THEN 'user' ELSE 'assistant' END, 'success', '',
       jsonb_build_array(jsonb_build_object('type', 'text', 'text', CASE n %% 2 WHEN 0 THEN 'Question ' || n / 2 ELSE
           '## Answer ' || n / 2 || E'\\n\\nSome **words** with `code`' || repeat(' and so on', n %% 60)
           || E'.\\n\\n- one\\n- two\\n\\n```python\\n' || repeat(E'total += step(n)  # again\\n', n %% 12) || E'```\\n\\n'
           || E'| a | b |\\n|---|---|\\n| 1 | 2 |' END)),
       false, '', '', '', '[]', '[]', '[]', '{}', n
FROM generate_series(0, %(number)s - 1) n
"""
WATCH = """() => {
  window.gaps = [];
  let last = performance.now();
  const tick = (now) => { window.gaps.push(now - last); last = now; window.watching = requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
}"""
GAPS = "() => { cancelAnimationFrame(window.watching); return window.gaps.slice(2); }"


def fill(running: Stack, thread: str, messages: int) -> None:
    """Settled turns, two rows each, with Markdown of all kinds."""
    with psycopg.connect(running.env["DATABASE_URL"], autocommit=True) as connection:
        values = {"thread": thread, "number": messages}
        connection.execute(FILL, values)
        connection.execute(ADVANCE, values)
        connection.execute("VACUUM ANALYZE threads_message")


def gaps(page: Page, seconds: float, step: int) -> list[float]:
    """Milliseconds between frames while the wheel turns."""
    page.evaluate(WATCH)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        page.mouse.wheel(0, step)
        page.wait_for_timeout(60)
    found: list[float] = page.evaluate(GAPS)
    return found


def first_shown(page: Page) -> int:
    """The number of the first question that the page holds."""
    text = page.locator("#messages .message:not(.answer) .said").first.inner_text()
    return int(text.split()[1])


def told(page: Page, devtools: CDPSession, name: str, frames: list[float] | None) -> None:
    """One line of the table."""
    devtools.send("HeapProfiler.collectGarbage")
    metrics = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
    times = (
        f"{statistics.median(frames):6.0f} / {sorted(frames)[len(frames) * 99 // 100]:6.0f} / {max(frames):6.0f}" if frames else " " * 24
    )
    held = f"{metrics['Nodes']:8.0f} {metrics['JSHeapUsedSize'] / 1e6:8.1f}"
    print(f"{name:34} {times} {page.locator('#messages > *').count():8} {held} {first_shown(page):8}", flush=True)


def scroll(running: Stack, page: Page, thread: str, middle: str, seconds: float) -> None:
    """Print the table."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    page.goto(f"{running.url}/threads/{thread}/")
    page.locator(".answer").last.wait_for()
    page.wait_for_timeout(1000)
    page.mouse.move(700, 400)
    print(f"{'':34} {'ms p50 / p99 / max':24} {'messages':>8} {'nodes':>8} {'heap MB':>8} {'first':>8}")
    told(page, devtools, "at load", None)
    told(page, devtools, "still", gaps(page, 3, 0))
    told(page, devtools, "up from the end", gaps(page, seconds, -STEP))
    told(page, devtools, "and further", gaps(page, seconds, -STEP))
    begun = time.perf_counter()
    page.goto(f"{running.url}/threads/{thread}/#message-{middle}")
    page.locator(".is-meant").wait_for()
    print(f"at a message in the middle after {time.perf_counter() - begun:.2f} s")
    page.mouse.move(700, 400)
    told(page, devtools, "down from the middle", gaps(page, seconds, STEP))
    told(page, devtools, "up again", gaps(page, seconds, -STEP))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    with stack(worker=False) as running, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        thread, middle = prepared(running, page, options.messages)
        scroll(running, page, thread, middle, options.seconds)
        browser.close()


def prepared(running: Stack, page: Page, messages: int) -> tuple[str, str]:
    """A signed-in reader's thread, and a message in its middle."""
    (headers,) = running.people(1)
    cookies: list[Any] = [pair.split("=", 1) for pair in headers["Cookie"].split("; ")]
    page.context.add_cookies([{"name": name, "value": value, "url": running.url} for name, value in cookies])
    made = page.request.post(f"{running.url}/api/threads", data={"title": "Long"}, headers=headers).json()
    fill(running, made["id"], messages)
    with psycopg.connect(running.env["DATABASE_URL"]) as connection:
        place = [made["id"], messages // 4]
        found = connection.execute(
            'SELECT id FROM threads_message WHERE thread_id = %s AND "order" = %s AND step_order = 0', place
        ).fetchone()
    assert found is not None
    return made["id"], str(found[0])


if __name__ == "__main__":
    main()
