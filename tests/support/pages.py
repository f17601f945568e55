"""report.html in a browser: a page opened, and what shows on it."""

from pathlib import Path

from playwright.sync_api import Browser, Page

from chalicelib.organization_documents import AnyReport
from chalicelib.outputs.organization_html import render_organization_html
from chalicelib.outputs.report_html import render_html

SEVERITY, VERDICT, DAYS_OLD, USER, KEY_ID = 1, 3, 4, 5, 6  # columns


class Opened:
    """A report's page in the browser, and what it did besides being shown."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser = browser
        self._folder = folder
        self._pages: list[Page] = []
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def open(self, report: AnyReport, script: bool = True, dark: bool = False) -> Page:
        path = self._folder / "report.html"
        rendered = render_organization_html(report) if "accounts" in report else render_html(report)
        path.write_text("".join(rendered))
        page = self._browser.new_page(java_script_enabled=script, color_scheme="dark" if dark else "light")
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self._pages.append(page)
        page.goto(path.as_uri())
        return page

    def close(self) -> None:
        """Close the pages: each that stays open keeps processes of the browser busy."""
        for page in self._pages:
            page.close()


def shown(page: Page, column: int) -> list[str]:
    """The texts of a column of the findings, of the keys that show."""
    return page.locator(f"#keys tbody:visible tr:first-child td:nth-child({column})").all_inner_texts()


# Of each element with text of its own: the text and its contrast, by https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
CONTRASTS = """() => {
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    const luminance = (color) => {
        const [red, green, blue] = numbers(color).map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const behind = (element) => {
        for (; element; element = element.parentElement) {
            const color = getComputedStyle(element).backgroundColor;
            if (numbers(color)[3] !== 0) return color;
        }
        return 'rgb(255, 255, 255)';
    };
    return [...document.querySelectorAll('body *:not(script):not(desc)')]
        .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()))
        .filter((one) => one.getClientRects().length)
        .map((one) => {
            const style = getComputedStyle(one);
            const pair = [one instanceof SVGElement ? style.fill : style.color, behind(one)].map(luminance);
            return [one.textContent.trim(), (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)];
        });
}"""
