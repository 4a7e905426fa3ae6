"""Every text on a page can be read: its contrast is that of WCAG AA, in light and in dark."""

import pytest
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.browser

BELOW_AA = """() => {
  // Disabled ones need no contrast; the others lie over something that is no parent of theirs.
  const ELSEWHERE = "[disabled], style, .patches-frame, .barlayer, [data-testid=stSliderThumbValue]";
  const parse = colour => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
  const luminance = colour => {
    const [r, g, b] = colour.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, text = texts.currentNode.textContent.trim();
    const visible = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    if (text.length < 2 || !visible || element.closest(ELSEWHERE)) continue;
    let background = [255, 255, 255], opacity = 1;
    const parents = [];
    for (let at = element; at; at = at.parentElement) parents.unshift(getComputedStyle(at));
    for (const style of parents) {
      background = over(parse(style.backgroundColor), background);
      opacity *= style.opacity;
    }
    const style = getComputedStyle(element), svg = element.closest("svg");
    const [r, g, b, alpha] = parse(svg ? style.fill : style.color);
    const shade = over([r, g, b, alpha * opacity * (svg ? style.fillOpacity : 1)], background);
    const [dark, light] = [luminance(shade), luminance(background)].sort((one, two) => one - two);
    const ratio = (light + 0.05) / (dark + 0.05), size = parseFloat(style.fontSize);
    seen += 1;
    if (ratio < (size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5))
      found.push(`${ratio.toFixed(2)} ${text.slice(0, 40)}`);
  }
  return [seen, found];
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_reaches_aa(browser: Browser, address: str, theme: str) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 2000}, color_scheme=theme)
    for path in ("", "?browse_view=Balance", "train", "evaluate", "predict?patch=demo-s00-p048"):
        page.goto(f"{address}/{path}")
        expect(page.locator(".research-only")).to_be_visible()
        expect(page.locator("[data-testid=stSkeleton], [data-testid=stStatusWidget]")).to_have_count(0)
        for _ in range(10):  # some colours come gradually
            page.wait_for_timeout(1000)
            seen, found = page.evaluate(BELOW_AA)
            if not found:
                break
        assert seen > 15
        assert found == [], f"{theme} {path}"
