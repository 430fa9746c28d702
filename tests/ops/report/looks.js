// What a person would see of a page, measured in the browser: a list of faults, each in words.
() => {
  const LEAST_CONTRAST = 4.5, LEAST_PIXELS = { html: 13, svg: 11.5 };
  const faults = [];
  const rgb = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((one) => one / 255)
      .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  // The first opaque colour behind a point, text aside.
  const ground = (x, y) => {
    for (const one of document.elementsFromPoint(x, y)) {
      if (one instanceof SVGTextElement) continue;
      const style = getComputedStyle(one);
      const colour = rgb(one instanceof SVGGeometryElement ? style.fill : style.backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return rgb(getComputedStyle(document.body).backgroundColor);
  };
  const inside = (inner, outer) =>
    inner.left >= outer.left - 1 && inner.right <= outer.right + 1 && inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
  const overlap = (one, other) =>
    one.left < other.right - 1 && other.left < one.right - 1 && one.top < other.bottom - 2 && other.top < one.bottom - 2;

  if (document.documentElement.scrollWidth > innerWidth) faults.push(`the page is ${document.documentElement.scrollWidth} wide`);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const drawn = new Map();
  let texts = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement, range = document.createRange();
    range.selectNodeContents(node);
    const rectangle = range.getClientRects()[0];
    if (!node.data.trim() || !rectangle || !rectangle.width || parent.closest("thead") && rectangle.width < 2) continue;
    if (parent.closest("title, desc") || !parent.checkVisibility()) continue;
    const style = getComputedStyle(parent), svg = parent.closest("svg.drawing"), text = node.data.trim();
    if (parent.closest("thead") && getComputedStyle(parent.closest("thead")).clipPath !== "none") continue;
    texts += 1;
    const scale = svg ? svg.getScreenCTM().a : 1, size = parseFloat(style.fontSize) * scale;
    if (size < (svg ? LEAST_PIXELS.svg : LEAST_PIXELS.html)) faults.push(`"${text}" is ${size} pixels high`);
    for (const one of range.getClientRects()) {
      if (one.right > innerWidth || one.left < 0) faults.push(`"${text}" is cut off`);
    }
    const colour = rgb(svg ? style.fill : style.color);
    const behind = ground(rectangle.left + rectangle.width / 2, rectangle.top + rectangle.height / 2);
    const ratio = contrast(colour, behind);
    if (ratio < LEAST_CONTRAST) faults.push(`"${text}" has a contrast of ${ratio.toFixed(2)}`);
    if (!svg) continue;
    const box = parent.closest("g.box");
    if (box && !inside(rectangle, box.querySelector(".body").getBoundingClientRect())) faults.push(`"${text}" leaves its box`);
    if (!inside(rectangle, svg.getBoundingClientRect())) faults.push(`"${text}" leaves its drawing`);
    for (const [other, place] of drawn.get(svg) || []) {
      if (overlap(rectangle, place)) faults.push(`"${text}" lies on "${other}"`);
    }
    drawn.set(svg, [...(drawn.get(svg) || []), [text, rectangle]]);
  }
  const shown = [...document.querySelectorAll("svg.drawing")].filter((one) => one.checkVisibility()).length;
  return { faults, texts, drawings: shown, ground: luminance(rgb(getComputedStyle(document.body).backgroundColor)) };
}
