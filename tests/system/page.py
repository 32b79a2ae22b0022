#!/usr/bin/env python3
"""page.py BUILD-FOLDER LOADER, in wine-run.sh: the page that p80's report writes, in a real browser (Chromium without a
window, driven over the pipe of its DevTools protocol): clicked, typed into, looked at. Exit code 77 without a browser.

PAGE_SHOTS=FOLDER keeps screenshots there, for people to look at."""
import base64
import json
import os
import shutil
import subprocess
import sys

build, loader = sys.argv[1], sys.argv[2]
here = os.path.dirname(os.path.abspath(__file__))
page = os.environ["WINEPREFIX"] + "/page.html"
ROWS = 1000


class Browser:
    """https://chromedevtools.github.io/devtools-protocol/"""

    def __init__(self, program):
        to_read, self.to_write = os.pipe()
        self.from_read, from_write = os.pipe()

        def set_pipes():  # the browser reads from 3 and writes to 4
            high = [os.dup2(to_read, 103), os.dup2(from_write, 104)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [program, "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
             "--user-data-dir=" + os.environ["WINEPREFIX"] + "/browser", "about:blank"],
            stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=set_pipes)
        os.close(to_read)
        os.close(from_write)
        self.rest, self.number, self.session, self.events = b"", 0, None, []
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(domain + ".enable")

    def receive(self):
        while b"\0" not in self.rest:
            more = os.read(self.from_read, 1 << 16)
            if not more:
                sys.exit("page: the browser has ended")
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)

    def js(self, text):
        result = self.call("Runtime.evaluate", expression=text, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def open(self, path):
        self.events.clear()
        self.call("Page.navigate", url="file://" + path)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self.receive())

    def complaints(self):
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [event["params"] for event in self.events if event["method"] in kinds]

    def key(self, name, text=None, modifiers=0):
        codes = {"Tab": 9, "Enter": 13, "Escape": 27}
        down = {"type": "keyDown", "key": name, "modifiers": modifiers}
        if name in codes:
            down["windowsVirtualKeyCode"] = codes[name]
        if text:
            down["text"] = text
        self.call("Input.dispatchKeyEvent", **down)
        self.call("Input.dispatchKeyEvent", **{**down, "type": "keyUp"})

    def type(self, text):
        for letter in text:
            self.key(letter, letter)

    def click(self, selector):
        x, y = self.js(f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center'}});"
                       "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def shot(self, name):
        folder = os.environ.get("PAGE_SHOTS")
        if folder:
            with open(f"{folder}/{name}.png", "wb") as file:
                file.write(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


def equal(got, wanted, what):
    assert got == wanted, f"{what}: {got!r} instead of {wanted!r}"


def visible(b):
    return b.js("document.querySelectorAll('#rows tr:not([hidden])').length")


def count(b):
    return b.js("document.getElementById('count').textContent")


def column(b, index, rows=3):
    return b.js(f"[...document.querySelectorAll('#rows tr')].slice(0, {rows}).map(r => r.cells[{index}].textContent)")


def test_loads_clean(b):
    equal(b.js("document.querySelectorAll('#rows tr').length"), ROWS, "rows")
    equal(b.js("window.hurt === undefined && document.images.length === 0"), True, "names are text")
    equal(b.js("document.scripts.length"), 1, "scripts")
    equal(b.js("performance.getEntriesByType('resource').length"), 0, "other files asked for")
    assert "<script>" in b.js("document.querySelectorAll('#rows tr')[1].cells[4].textContent"), "the name as it is"
    policy = b.js("document.querySelector('[http-equiv]').content")
    assert "default-src 'none'" in policy and "unsafe" not in policy, policy


def test_nothing_else_runs(b):
    b.js("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hurt = 1'}),"
         "Object.assign(document.createElement('img'), {src: 'data:image/gif;base64,R0lGODlhAQABAAAAACw='}))")
    equal(b.js("window.hurt"), None, "another script")
    refused = [entry["entry"]["text"] for entry in b.complaints()]
    equal(["script-src" in refused[0], "default-src 'none'" in refused[-1], len(refused)], [True, True, 2], "what the policy refuses")
    b.open(page)


def test_sorting(b):
    port, address = "thead th:nth-child(1) button", "thead th:nth-child(3) button"
    b.click(address)
    equal(column(b, 2), ["::", "0.0.0.0", "0.0.0.0"], "sorted by address")
    equal(b.js("document.querySelectorAll('th')[2].ariaSort"), "ascending", "aria-sort")
    b.click(port)
    b.click(port)
    equal(column(b, 0), [str(1000 + ROWS), str(999 + ROWS), str(998 + ROWS)], "sorted by port, down")
    equal(b.js("[...document.querySelectorAll('[aria-sort]')].map(h => h.textContent + h.ariaSort)"), ["Portdescending"],
          "one column is the sorted one")
    equal(count(b), f"{ROWS} bindings, sorted by Port, descending", "what is announced")
    b.shot("sorted")


def test_filter(b):
    b.click("#filter")
    b.type("service10")
    equal(visible(b), 12, "rows with service10")
    equal(count(b), f"12 of {ROWS} bindings with “service10”, sorted by Port, descending", "what is announced")
    b.key("Escape")
    equal(visible(b), ROWS, "rows after Escape")
    b.type("80")
    equal(b.js("[...document.querySelectorAll('#rows tr:not([hidden])')].every(r => /(^|\\D)80(\\D|$)/.test(r.textContent))"), True,
          "80 is no part of 8080")
    assert 0 < visible(b) < 60, visible(b)
    b.key("Escape")
    b.click("[name=only][value=h]")
    equal(visible(b), 2, "rows of HTTP.SYS")
    b.click("[name=only][value=UDP]")
    equal(visible(b), ROWS // 3, "rows of UDP")
    b.click("[name=only][value='']")


def focus(b):
    return b.js("(() => { const e = document.activeElement; return e.id || e.className || e.name || e.textContent.trim() || e.tagName; })()")


def test_keyboard(b):
    b.open(page)
    stops = []
    for _ in range(8):
        b.key("Tab")
        stops.append(focus(b))
    equal(stops[:5], ["skip", "As a list", "filter", "only", "scroll"], "what Tab reaches")
    equal(stops[5:8], ["Port", "Protocol", "Address"], "what Tab reaches in the table")
    equal(b.js("getComputedStyle(document.activeElement).outlineStyle"), "solid", "focus is seen")
    b.shot("focus")
    b.key("Enter", "\r")
    equal(b.js("document.querySelectorAll('th')[2].ariaSort"), "ascending", "Enter sorts")
    equal(focus(b), "Address", "focus stays")
    b.key("/", "/")
    equal(focus(b), "filter", "/ leads to the filter")
    equal(b.js("document.getElementById('filter').value"), "", "/ is not typed")
    b.open(page)
    b.key("Tab")
    b.shot("skip")
    b.key("Enter", "\r")
    equal(focus(b), "bindings", "the skip link leads to the bindings")


def test_tree(b):
    b.click("#filter")
    b.type("service10")
    nodes = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in b.call("Accessibility.getFullAXTree", depth=12)["nodes"]
             if not n.get("ignored")]
    for wanted in (("image", "Who depends on HTTP"), ("search", ""), ("status", ""), ("main", ""), ("banner", ""),
                   ("region", "Bindings"), ("link", "Skip to the bindings"), ("radio", "HTTP.SYS")):
        assert wanted in nodes, (wanted, [n for n in nodes if n[0] == wanted[0]])
    assert any(role == "searchbox" and name.startswith("Filter") for role, name in nodes), "the filter has its label"
    assert any(role == "table" and name.startswith("Who listens where") for role, name in nodes), "the table has its caption"
    heads = [name for role, name in nodes if role == "columnheader"]
    equal(len(heads), 9, "column headers")
    equal(heads[0], "Port", "a header's name has no arrow in it")
    equal(sum(role == "rowheader" for role, _ in nodes), 12, "row headers")
    b.key("Escape")


CONTRAST = """(() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  const found = [];
  for (const e of document.querySelectorAll('h1, h2, p, dt, dd, li, label, small, legend, caption, thead button, tr:nth-child(-n+5) > *, '
      + 'tr:nth-child(-n+5) > * > *, figcaption, summary, svg text')) {
    const style = getComputedStyle(e), is_svg = e.namespaceURI.endsWith('svg');
    const over = is_svg ? rgb(getComputedStyle(e.parentNode.querySelector('rect')).fill) : ground(e);
    const a = light(rgb(is_svg ? style.fill : style.color)), b = light(over);
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) found.push(e.tagName + '.' + e.className + ' ' + ratio.toFixed(2));
  }
  return found;
})()"""


def test_appearance(b):
    grounds = {}
    for scheme in ("light", "dark"):
        b.call("Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": scheme}])
        equal(b.js(CONTRAST), [], "too little contrast, " + scheme)
        grounds[scheme] = b.js("getComputedStyle(document.body).backgroundColor")
        b.shot(scheme)
    equal(grounds, {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}, "grounds")
    b.call("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    equal(b.js("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)", "the ground on paper")
    equal(b.js("getComputedStyle(document.getElementById('controls')).display"), "none", "controls on paper")
    equal(b.js("getComputedStyle(document.querySelector('thead')).display"), "table-header-group", "headers on each sheet")
    equal(b.js("document.querySelector('table').scrollWidth <= document.body.clientWidth"), True, "the table fits the sheet")
    b.shot("print")
    b.js("(() => { const f = document.getElementById('filter'); f.value = 'service10'; f.dispatchEvent(new Event('input')); })()")
    pdf = base64.b64decode(b.call("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert pdf.startswith(b"%PDF") and pdf.count(b"/Type /Page\n") in range(2, 20), pdf.count(b"/Type /Page\n")
    b.call("Emulation.setEmulatedMedia", media="", features=[])
    b.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    equal(b.js("document.documentElement.scrollWidth"), 390, "only the table and the picture scroll sideways on a telephone")
    equal(b.js("document.querySelector('svg').getBoundingClientRect().width === document.querySelector('svg').width.baseVal.value"), True,
          "the picture is not made too small to read")
    equal(b.js("document.querySelector('caption span').getBoundingClientRect().right <= 390"), True, "the caption is read without scrolling")
    b.shot("narrow")


def test_without_script(b):
    b.call("Emulation.setScriptExecutionDisabled", value=True)
    b.open(page)
    equal(b.js("document.querySelectorAll('#rows tr').length"), ROWS, "rows without script")
    equal(b.js("document.getElementById('controls').hidden"), True, "no controls that do nothing")


def main():
    program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if not program:
        print("skipped: there is no Chromium")
        sys.exit(77)
    subprocess.run([loader, build + "/p80.exe", "--quiet", "--allow", "file.write", "P:/tests/fixtures/page.lua", "Z:" + page,
                    str(ROWS)], check=True)
    b = Browser(program)
    b.call("Emulation.setDeviceMetricsOverride", width=1440, height=1000, deviceScaleFactor=1, mobile=False)
    b.open(page)
    for test in (test_loads_clean, test_nothing_else_runs, test_sorting, test_filter, test_keyboard, test_tree, test_appearance, test_without_script):
        try:
            test(b)
            equal(b.complaints(), [], "the console")
        except AssertionError as problem:
            sys.exit(f"page: {test.__name__}: {problem}")
    b.process.kill()


main()
