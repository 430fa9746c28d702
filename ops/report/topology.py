"""The drawing of who asks whom, as SVG.

Owns how a layout becomes SVG. Does not own places (``layout``), what is there (``boxes``, ``links``), nor colours
(page.css).
"""

from xml.etree.ElementTree import Element

from ops.health import Report
from ops.report.boxes import boxes, members
from ops.report.graph import CAPTIONS, Graph, sentences
from ops.report.layout import PAD, ROW, SIGN, TITLE, Layout, Place, Stroke, tall, wide
from ops.report.links import links
from ops.report.markup import State, add, sign, tag
from render.static_pods import ETCD_PEER_PORT
from settings import Stack

PEERS = f"etcd peers :{ETCD_PEER_PORT}"
CORNER = 6
WORDS = {State.WELL: "well", State.WRONG: "not well", State.UNKNOWN: "not known", State.SOON: "soon"}


def graph(stack: Stack, found: Report) -> Graph:
    """What there is to draw."""
    all_boxes = boxes(stack, found)
    return Graph(tuple(all_boxes), tuple(links(stack, found, all_boxes)), members(stack, found))


def draw(drawn: Graph, stack: str) -> list[Element]:
    """The drawing twice: for wide screens and for narrow ones. The page's stylesheet shows one of them."""
    return [
        tag("div", _svg(wide(drawn, CAPTIONS, PEERS), drawn, stack, "topology-wide"), class_="wide"),
        tag("div", _svg(tall(drawn, CAPTIONS, PEERS), drawn, stack, "topology-tall"), class_="tall"),
    ]


def _svg(layout: Layout, drawn: Graph, stack: str, name: str) -> Element:
    labels = f"{name}-title {name}-desc"
    size = f"0 0 {layout.width:g} {layout.height:g}"
    drawing = tag("svg", class_="drawing", viewBox=size, role="img", aria_labelledby=labels)
    add(drawing, tag("title", f"Who asks whom in stack {stack}", id=f"{name}-title"))
    add(drawing, tag("desc", sentences(drawn), id=f"{name}-desc"))
    # What is lost is drawn last, over everything else.
    for stroke in sorted(layout.strokes, key=lambda one: (one.state == State.WRONG, one.busy)):
        add(drawing, *_stroke(stroke))
    for x, y, text, ends in layout.captions:
        add(drawing, tag("text", text, class_="caption", x=x, y=y, text_anchor="end" if ends else None))
    add(drawing, *(_box(place) for place in layout.places.values()))
    return drawing


def _stroke(stroke: Stroke) -> list[Element]:
    looks = f"link {stroke.state}{' busy' if stroke.busy else ''}"
    line = tag("path", d=stroke.path, class_=looks)
    if stroke.end is None:
        return [line]
    x, y = stroke.end
    if stroke.state == State.WRONG:
        return [line, sign(State.WRONG, x + 2 if stroke.backwards else x - SIGN, y - 7, 14)]
    back = 8 if stroke.backwards else -8
    arrow = tag("path", d=f"M{x:g} {y:g}l{back} -4v8z", class_=looks.replace("link", "arrow"))
    return [line, arrow]


def _box(place: Place) -> Element:
    state = place.box.state
    group = tag("g", class_=f"box {state}{' leads' if place.box.leads else ''}")
    whole = {"x": place.x, "y": place.y, "width": place.width, "height": place.height, "rx": CORNER}
    add(group, tag("rect", class_="body", **whole))
    y = place.y + PAD
    indent = 0
    if state in WORDS:
        indent = SIGN + 2
        add(group, sign(state, place.x + PAD, y + 2))
    for text in place.title:
        add(group, tag("text", text, class_="title", x=place.x + PAD + indent, y=y + 15))
        y += TITLE
    if place.box.address:
        add(group, tag("text", place.box.address, class_="address", x=place.x + PAD, y=y + 13))
        y += ROW
    for line, texts in place.rows:
        shift = SIGN * (line.state != State.PLAIN)
        if shift:
            add(group, sign(line.state, place.x + PAD, y + 2, 13))
        for text in texts:
            add(group, tag("text", text, class_=f"line {line.state}", x=place.x + PAD + shift, y=y + 13))
            y += ROW
    return group
