// The page: which node is chosen, what is searched for, keys and buttons.
(() => {
  const at = (id) => document.getElementById(id);
  const data = parseData(at("data").textContent);
  const byId = new Map(data.nodes.map((node) => [node.id, node]));
  const steps = new Map(data.nodes.map((node) => [node.id, { up: [], down: [] }]));
  for (const edge of data.edges) {
    steps.get(edge.to).up.push({ ...edge, node: byId.get(edge.from) });
    steps.get(edge.from).down.push({ ...edge, node: byId.get(edge.to) });
  }
  const stage = at("stage"), panel = at("details"), whole = at("whole"), search = at("search"), hitCount = at("hits");
  const view = makeView(stage);
  const folded = stage.querySelector("svg"), all = at("all").content.querySelector("svg");
  let boxes, links, byNode, beside, chosen = null, hits = [], hitAt = -1;

  const nodeOf = (box) => box.dataset.node === undefined ? null : data.nodes[+box.dataset.node];
  const boxOf = (id) => byNode.get(id);

  function prepare() {
    const picture = stage.querySelector("svg");
    picture.setAttribute("role", "group");
    boxes = [...picture.querySelectorAll(".box")];
    links = [...picture.querySelectorAll(".link,.role")].map((drawn) => ({ drawn, from: boxes[+drawn.dataset.from], to: boxes[+drawn.dataset.to] }));
    for (const box of boxes) {
      box.setAttribute("role", "button");
      box.setAttribute("tabindex", "-1");
      const said = box.querySelector("title").textContent.replace("\n", ", "), kind = nodeOf(box)?.kind;
      box.setAttribute("aria-label", kind && kind !== "run" ? `${kind} ${said}` : said);
    }
    byNode = new Map(boxes.map((box) => [nodeOf(box)?.id, box]));
    beside = new Map(boxes.map((box) => [box, { into: [], out: [] }]));
    for (const link of links) {
      beside.get(link.from).out.push(link);
      beside.get(link.to).into.push(link);
    }
    roam(boxOf(data.start));
  }
  // One box is in the order of the tab key; arrows move on from it.
  function roam(box) {
    for (const other of boxes) if (other.getAttribute("tabindex") === "0") other.setAttribute("tabindex", "-1");
    box.setAttribute("tabindex", "0");
  }
  function focus(box) {
    roam(box);
    box.focus({ preventScroll: true });
    view.reveal(box);
  }

  // The boxes that one leads to, or came from, and itself.
  function reach(from, forward) {
    const met = new Set([from]), queue = [from];
    while (queue.length) {
      const box = queue.pop();
      for (const link of beside.get(box)[forward ? "out" : "into"]) {
        const next = forward ? link.to : link.from;
        if (!met.has(next)) { met.add(next); queue.push(next); }
      }
    }
    return met;
  }
  // What is searched for stands out; else the chosen one, with what it came from and what it led to.
  function mark() {
    const picture = stage.querySelector("svg"), box = chosen && boxOf(chosen), searching = search.value.trim() !== "";
    const found = new Set(hits.map((node) => node.id));
    const isHit = (other) => found.has(nodeOf(other)?.id);
    const ways = searching ? [new Set(boxes.filter(isHit))] : box ? [reach(box, false), reach(box, true)] : [];
    picture.classList.toggle("dim", ways.length > 0);
    for (const other of boxes) {
      other.classList.toggle("chosen", other === box);
      other.classList.toggle("on", other === box || ways.some((way) => way.has(other)));
      other.classList.toggle("hit", isHit(other));
    }
    for (const link of links) link.drawn.classList.toggle("on", ways.some((way) => way.has(link.from) && way.has(link.to)));
  }
  function choose(id, tellAddress = true) {
    if (!boxOf(id) && all) showWhole(true);
    chosen = id;
    fillDetails(panel, byId.get(id), steps.get(id), (next) => { choose(next); focus(boxOf(next)); }, close);
    panel.hidden = false;
    panel.scrollTop = 0;
    roam(boxOf(id));
    mark();
    view.reveal(boxOf(id));
    if (tellAddress) try { history.replaceState(null, "", `#${id}`); } catch { /* Some viewers of files forbid it. */ }
  }
  function close() {
    const box = chosen && boxOf(chosen);
    chosen = null;
    panel.hidden = true;
    mark();
    if (box) focus(box);
  }

  function showWhole(is) {
    stage.querySelector("svg").replaceWith(is ? all : folded);
    whole.setAttribute("aria-pressed", String(is));
    prepare();
    if (chosen && !boxOf(chosen)) { chosen = null; panel.hidden = true; }
    mark();
    view.begin(boxOf(chosen ?? data.start));
  }

  // What a node says, by its values; of metadata by `key=value`.
  function wordsOf(value, key) {
    if (value === null || value === false) return [];
    if (value === true) return [key];
    if (typeof value !== "object" || value instanceof Exact) return [key ? `${key}=${value}` : String(value)];
    return Object.entries(value).flatMap(([inner, child]) => wordsOf(child, Array.isArray(value) ? key : inner));
  }
  function textOf({ layer, beyond, missing, inputs, outputs, references, ...said }) {
    return [titleOf(said), ...wordsOf(said, "")].join("\n").toLowerCase();
  }
  let words = null;
  function find() {
    words ??= data.nodes.map((node) => [node, textOf(node)]);
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    hits = wanted.length ? words.filter(([, text]) => wanted.every((word) => text.includes(word))).map(([node]) => node) : [];
    hitAt = -1;
    const shown = hits.map((node) => boxOf(node.id)).filter(Boolean);
    const hidden = hits.length - shown.length;
    hitCount.textContent = wanted.length ? `${hits.length} of ${data.nodes.length}${hidden ? `, ${hidden} folded` : ""}` : "";
    mark();
    if (shown.length) view.reveal(shown[0]);
  }
  function nextHit(step) {
    if (!hits.length) return;
    hitAt = hitAt < 0 && step < 0 ? hits.length - 1 : (hitAt + step + hits.length) % hits.length;
    choose(hits[hitAt].id);
    hitCount.textContent = `${hitAt + 1} of ${hits.length}`;
  }

  function walk(box, key) {
    const here = view.middle(box);
    const ahead = key === "ArrowRight" || key === "ArrowLeft";
    const sign = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
    const joined = key === "ArrowRight" ? beside.get(box).out.map((link) => link.to) : beside.get(box).into.map((link) => link.from);
    const candidates = (ahead ? joined : boxes).filter((other) => other !== box).map((other) => ({ other, there: view.middle(other) }))
      .filter(({ there }) => ahead ? (there.x - here.x) * sign > 0 : Math.abs(there.x - here.x) < 1 && (there.y - here.y) * sign > 0);
    candidates.sort((a, b) => Math.abs(a.there.y - here.y) - Math.abs(b.there.y - here.y));
    if (candidates.length) focus(candidates[0].other);
  }
  function act(box) {
    const node = nodeOf(box);
    if (node) choose(node.id);
    else showWhole(true);
  }

  stage.addEventListener("click", (event) => {
    if (view.wasDragged()) return;
    const box = event.target.closest(".box");
    if (box) act(box);
    else if (chosen) close();
  });
  stage.addEventListener("keydown", (event) => {
    const box = event.target.closest(".box");
    if (!box) return;
    if (event.key.startsWith("Arrow")) walk(box, event.key);
    else if (event.key === "Enter" || event.key === " ") act(box);
    else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      if (document.activeElement === search && search.value) { search.value = ""; find(); }
      else if (chosen) close();
      return;
    }
    if (event.target === search) return;
    const keys = { "/": () => search.focus(), "+": () => view.zoom(1.25), "=": () => view.zoom(1.25), "-": () => view.zoom(0.8), 0: view.fit };
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
  search.addEventListener("input", find);
  search.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); nextHit(event.shiftKey ? -1 : 1); } });
  at("finder").addEventListener("submit", (event) => event.preventDefault());
  at("in").addEventListener("click", () => view.zoom(1.25));
  at("out").addEventListener("click", () => view.zoom(0.8));
  at("fit").addEventListener("click", view.fit);
  if (all) {
    whole.hidden = false;
    whole.textContent = `Show all ${data.nodes.length}`;
    whole.title = "Show what is folded, too";
    whole.addEventListener("click", () => showWhole(whole.getAttribute("aria-pressed") !== "true"));
  }

  prepare();
  const wanted = location.hash.slice(1);
  choose(byId.has(wanted) ? wanted : data.start, false);
  view.begin(boxOf(chosen));
  window.addEventListener("hashchange", () => { const id = location.hash.slice(1); if (byId.has(id) && id !== chosen) choose(id, false); });
})();
