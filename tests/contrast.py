"""Contrast as WCAG 2.2 counts it, of what a page shows now; for playwright's pages."""

from typing import Any

from playwright.async_api import Page

_MEASURE = """
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const above = (node) => node ? [node, ...above(node.parentElement)] : [];
  const ground = (node) => above(node).map((each) => parse(getComputedStyle(each).backgroundColor))
    .find((colour) => colour.length === 3 || colour[3] === 1) || [255, 255, 255];
  const cover = (node) => above(node)
    .reduce((part, each) => part * Number(getComputedStyle(each).opacity), 1);
  const shown = (node) => node.checkVisibility() && node.getClientRects().length && !node.disabled;
  const ratio = (colour, node) => {
    const under = ground(node), part = cover(node);
    const seen = parse(colour).slice(0, 3).map((v, at) => v * part + under[at] * (1 - part));
    const [a, b] = [light(seen), light(under)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
"""
# "Contrast (Minimum)": 4.5 to 1, and 3 to 1 where letters are large
_TEXTS = f"""
(() => {{{_MEASURE}
  const least = (style) => {{
    const size = parseFloat(style.fontSize);
    return size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
  }};
  return [...document.querySelectorAll("body *")]
    .filter((each) => shown(each) &&
      [...each.childNodes].some((child) => child.nodeType === 3 && child.data.trim()))
    .map((each) => [ratio(getComputedStyle(each).color, each), least(getComputedStyle(each)),
      each.textContent.slice(0, 40), each.className])
    .filter(([ratio, least]) => ratio < least);
}})()
"""
# and "Non-text Contrast", 3 to 1, for what shows that something can be typed here
_FIELDS = f"""
(() => {{{_MEASURE}
  return [...document.querySelectorAll("input, select, textarea")].filter(shown)
    .map((each) => [ratio(getComputedStyle(each).borderTopColor, each),
      ratio(getComputedStyle(each, "::placeholder").color, each), each.name || each.id])
    .filter(([edge, words]) => edge < 3 || words < 4.5);
}})()
"""


async def faint(page: Page) -> list[Any]:
    """Texts and fields that not everybody can see, each with its ratios; empty is well."""
    return [*await page.evaluate(_TEXTS), *await page.evaluate(_FIELDS)]
