#!/usr/bin/env python3
"""The pages that print, in a real browser: nothing is wider than the sheet, and no figure, day or short name is broken.

usage: pages.py BROWSER PAGE a4-portrait|a4-landscape

Every figure of the page is set to eight digits first. Prints `ok ...` or `not ok ...` a check.
"""
import html
import json
import pathlib
import re
import subprocess
import sys
import tempfile

# Width of the sheet and its margin in millimetres, as the page's own @page says, and the box of the PDF in points.
SHEETS = {"a4-portrait": (210, 15, (595, 842)), "a4-landscape": (297, 12, (842, 595))}
SHORT = 10  # characters of what is never broken: a day, most names
SCRIPT = """
for (const cell of document.querySelectorAll('td')) {
    if (/^[0-9]+$/.test(cell.textContent)) cell.textContent = '88888888';
}
const lines = node => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return new Set([...range.getClientRects()].map(rect => Math.round(rect.top))).size;
};
const broken = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
    const text = walk.currentNode.textContent.trim();
    const cell = walk.currentNode.parentElement.closest('td');
    if (cell && text && text.length <= SHORT && lines(walk.currentNode) > 1) broken.push(text);
}
const edge = document.body.getBoundingClientRect().right + 1;
const wide = [...document.querySelectorAll('table')].filter(table => table.getBoundingClientRect().right > edge);
const within = cell => cell.scrollWidth <= cell.clientWidth + 1;
const report = document.createElement('pre');
report.id = 'measured';
report.textContent = JSON.stringify({
    broken, wide: wide.length, tables: document.querySelectorAll('table').length,
    over: [...document.querySelectorAll('td, th')].filter(cell => !within(cell)).map(cell => cell.textContent),
});
document.body.append(report);
"""


def browse(browser, *arguments):
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
                   f"--user-data-dir={profile}", *arguments]
        return subprocess.run(command, check=True, capture_output=True, timeout=90).stdout.decode(errors="replace")


def main(browser, path, sheet):
    page, (width, margin, box) = pathlib.Path(path).read_text(encoding="utf-8"), SHEETS[sheet]
    bad = 0

    def check(good, what):
        nonlocal bad
        bad += not good
        print(f"{'ok' if good else 'not ok'} - {pathlib.Path(path).name}: {what}")

    with tempfile.TemporaryDirectory() as folder:
        stretched, pdf = pathlib.Path(folder, "page.html"), pathlib.Path(folder, "page.pdf")
        script = SCRIPT.replace("SHORT", str(SHORT))
        stretched.write_text(page.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
        pixels = int((width - 2 * margin) / 25.4 * 96)
        shown = browse(browser, f"--window-size={pixels},2000", "--hide-scrollbars", "--dump-dom", stretched.as_uri())
        found = json.loads(html.unescape(re.search(r'<pre id="measured">(.*?)</pre>', shown, re.DOTALL).group(1)))
        check(found["tables"] > 0, f"{found['tables']} tables")
        check(found["wide"] == 0, f"{found['wide']} tables wider than the sheet")
        check(not found["over"], f"cells that do not hold what is in them: {found['over']}")
        check(not found["broken"], f"broken within a word or figure: {found['broken']}")
        browse(browser, "--no-pdf-header-footer", f"--print-to-pdf={pdf}", pathlib.Path(path).resolve().as_uri())
        boxes = re.findall(rb"/MediaBox *\[ *0 +0 +([0-9.]+) +([0-9.]+) *\]", pdf.read_bytes())
        sizes = {(round(float(wide)), round(float(high))) for wide, high in boxes}
        check(sizes == {box}, f"printed on {len(boxes)} sheets of {sizes} points")
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[3] not in SHEETS:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
