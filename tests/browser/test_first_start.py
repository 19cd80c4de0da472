"""What a learner sees first: the chapters and how this works, not a launcher or a dialog."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_first_start_shows_how_this_works_and_the_chapters(fresh_lab, page):
    page.goto(fresh_lab.address())
    shown = page.locator(".jp-MarkdownViewer")
    expect(shown.get_by_role("heading", name="How this works")).to_be_visible()
    expect(shown.get_by_role("link").first).to_be_visible()
    expect(page.locator(".jp-DirListing-item").filter(has_text="START_HERE.md")).to_be_visible()
    first = min(path.name for path in fresh_lab.folder.glob("*.ipynb"))
    expect(page.locator(".lm-TabBar-tab").filter(has_text=first)).to_be_visible()
    expect(page.locator(".jp-Launcher")).to_have_count(0)
    expect(page.locator(".jp-Dialog")).to_have_count(0)
    expect(page.locator(".Toastify__toast")).to_have_count(0)
