// Moving about in the picture: drag, wheel, pinch, and the functions that buttons and keys call.
function makeView(stage) {
  let scale = 1, left = 0, top = 0;
  const picture = () => stage.querySelector("svg");
  const size = () => ({ width: +picture().getAttribute("width"), height: +picture().getAttribute("height") });
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

  function place() {
    const { width, height } = size(), keep = 60;
    // Some of the picture stays in sight.
    left = clamp(left, keep - width * scale, stage.clientWidth - keep);
    top = clamp(top, keep - height * scale, stage.clientHeight - keep);
    picture().style.transform = `translate(${left}px,${top}px) scale(${scale})`;
  }
  function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const next = clamp(scale * factor, 0.02, 4);
    left = x - (x - left) * (next / scale);
    top = y - (y - top) * (next / scale);
    scale = next;
    place();
  }
  function fit() {
    const { width, height } = size();
    scale = clamp(Math.min(stage.clientWidth / width, stage.clientHeight / height), 0.02, 1.25);
    left = (stage.clientWidth - width * scale) / 2;
    top = (stage.clientHeight - height * scale) / 2;
    place();
  }
  function middle(box) {
    const at = box.transform.baseVal.consolidate().matrix, rect = box.querySelector("rect");
    return { x: at.e + rect.width.baseVal.value / 2, y: at.f + rect.height.baseVal.value / 2 };
  }
  function center(box) {
    const { x, y } = middle(box);
    left = stage.clientWidth / 2 - x * scale;
    top = stage.clientHeight / 2 - y * scale;
    place();
  }
  function reveal(box) {
    const { x, y } = middle(box), margin = 140 * Math.min(1, scale);
    const at = { x: left + x * scale, y: top + y * scale };
    left += clamp(at.x, margin, Math.max(margin, stage.clientWidth - margin)) - at.x;
    top += clamp(at.y, margin / 3, Math.max(margin / 3, stage.clientHeight - margin / 3)) - at.y;
    place();
  }
  // Everything, if it can be read then; else the start at a size that can.
  function begin(box) {
    fit();
    if (scale < 0.55) {
      scale = 0.8;
      center(box);
      // No more empty ground beside the picture than there must be.
      const { width, height } = size(), across = stage.clientWidth - width * scale, down = stage.clientHeight - height * scale;
      if (across < 0) left = clamp(left, across, 0);
      if (down < 0) top = clamp(top, down, 0);
      place();
    }
  }

  const pointers = new Map();
  let moved = 0;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button === 0) pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (pointers.size === 1) moved = 0;
  });
  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const spread = () => { const [a, b] = [...pointers.values()]; return b ? Math.hypot(a.x - b.x, a.y - b.y) : 0; };
    const was = spread();
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    moved += Math.abs(event.clientX - before.x) + Math.abs(event.clientY - before.y);
    if (moved < 4) return;
    stage.classList.add("moves");
    // Only a drag takes hold of the pointer: a click belongs to the box below it.
    if (!stage.hasPointerCapture(event.pointerId)) stage.setPointerCapture(event.pointerId);
    if (pointers.size === 2 && was > 0) {
      const [a, b] = [...pointers.values()], frame = stage.getBoundingClientRect();
      zoom(spread() / was, (a.x + b.x) / 2 - frame.left, (a.y + b.y) / 2 - frame.top);
    } else {
      left += event.clientX - before.x;
      top += event.clientY - before.y;
      place();
    }
  });
  const release = (event) => { pointers.delete(event.pointerId); stage.classList.remove("moves"); };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const frame = stage.getBoundingClientRect();
    const step = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
    zoom(Math.exp(-clamp(step, -240, 240) / 400), event.clientX - frame.left, event.clientY - frame.top);
  }, { passive: false });
  // Focus may make the browser scroll; the picture moves by its transform alone.
  stage.addEventListener("scroll", () => { stage.scrollLeft = 0; stage.scrollTop = 0; });
  window.addEventListener("resize", place);
  stage.classList.add("live");
  return { zoom, fit, center, reveal, begin, middle, wasDragged: () => moved >= 4 };
}
