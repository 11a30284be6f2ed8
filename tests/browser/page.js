// Acts in the page as a person would, and compares what is seen then.
const wrong = [];
let held = 0;

function same(what, got, wanted) {
  if (JSON.stringify(got) === JSON.stringify(wanted)) held += 1;
  else wrong.push({ what, got, wanted });
}

const refused = [];
document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
window.addEventListener("error", (event) => wrong.push({ what: "an error", got: event.message }));

async function play(scene) {
  try {
    await scene();
  } catch (error) {
    wrong.push({ what: "a failure", got: String(error), where: error.stack });
  }
  const found = document.createElement("pre");
  found.id = "found";
  found.textContent = JSON.stringify({ wrong, held });
  document.body.append(found);
}

const at = (id) => document.getElementById(id);
const boxes = () => [...document.querySelectorAll("#stage .box")];
const box = (name) => boxes().find((one) => one.querySelector(".name").textContent === name);
const heading = () => at("details").hidden ? null : at("details").querySelector("h2").textContent;
const fact = (name) => [...at("details").querySelectorAll("dt")].find((one) => one.textContent === name)?.nextElementSibling.textContent;
const seen = (one) => getComputedStyle(one).opacity === "1";
const bright = () => boxes().filter(seen).map((one) => one.querySelector(".name").textContent).sort();
const press = (target, key) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const middle = (one) => { const frame = one.getBoundingClientRect(); return [frame.x + frame.width / 2, frame.y + frame.height / 2]; };
const placed = () => { const frame = document.querySelector("#stage svg").getBoundingClientRect(); return { x: frame.x, y: frame.y, width: frame.width }; };

// Clicks on what is seen in the middle of a box.
function clickOn(one) {
  const [x, y] = middle(one);
  document.elementFromPoint(x, y).dispatchEvent(new MouseEvent("click", { clientX: x, clientY: y, bubbles: true }));
}
function type(text) {
  at("search").value = text;
  at("search").dispatchEvent(new Event("input", { bubbles: true }));
}

function click() {
  same("what is chosen at first", heading(), "model:v0");
  same("a number that no double holds", [fact("seed"), fact("deep")], ["9007199254740993", "[\n 9007199254740995,\n \"x\"\n]"]);
  clickOn(box("train"));
  same("the run that was clicked on", [heading(), fact("state"), fact("layers")], ["train", "finished", "12"]);
  same("the address", location.hash.slice(1), fact("id"));
  const steps = [...at("details").querySelectorAll("li button")];
  same("what is beside it", steps.map((one) => one.textContent), ["data:v0version, as train", "val:v0version, as test", "model:v0version"]);
  clickOn(box("data:v0"));
  same("what the data led to is bright, what it did not is not", [bright().includes("val:v0"), bright().includes("model:v0")], [false, true]);
  same("the words at the links go with them", [...document.querySelectorAll(".role")].map((one) => [one.lastChild.data, seen(one)]), [["train", true], ["test", false]]);
  steps[2].click();
  same("a step in the details", heading(), "model:v0");
  clickOn(box("serve <b>it</b>"));
  same("one that failed", fact("state"), "failed (exit code 3)");
  document.querySelector("#details .close").click();
  same("closed", [heading(), bright().length], [null, 5]);
}

function search() {
  type("  CLEAN ");
  same("a tag; what is chosen stays bright", [at("hits").textContent, bright()], ["1 of 5", ["data:v0", "model:v0"]]);
  type("acc=0.91");
  same("metadata", [at("hits").textContent, boxes().filter((one) => one.classList.contains("hit")).length], ["1 of 5", 1]);
  same("what is not found is dim", [seen(box("model:v0")), seen(box("train")), seen(box("val:v0"))], [true, false, false]);
  type("version v0");
  same("several words", at("hits").textContent, "3 of 5");
  press(at("search"), "Enter");
  press(at("search"), "Enter");
  same("the second find", [heading(), at("hits").textContent], ["val:v0", "2 of 3"]);
  type("nowhere");
  same("nothing", at("hits").textContent, "0 of 5");
  at("search").focus();
  press(at("search"), "Escape");
  same("given up", [at("search").value, at("hits").textContent, seen(box("train"))], ["", "", true]);
}

function keys() {
  const here = () => document.activeElement.querySelector?.(".name")?.textContent;
  box("model:v0").focus();
  press(document.activeElement, "ArrowLeft");
  same("to the left", here(), "train");
  press(document.activeElement, "ArrowLeft");
  press(document.activeElement, "ArrowDown");
  same("below", here(), box("data:v0").transform.baseVal[0].matrix.f < box("val:v0").transform.baseVal[0].matrix.f ? "val:v0" : "data:v0");
  press(document.activeElement, "ArrowUp");
  press(document.activeElement, "ArrowRight");
  same("and back", here(), "train");
  press(document.activeElement, "Enter");
  same("open", heading(), "train");
  press(document.activeElement, "Escape");
  same("closed, and still there", [heading(), here()], [null, "train"]);
  press(document.body, "/");
  same("the search", document.activeElement.id, "search");
  same("one box in the order of the tab key", boxes().filter((one) => one.tabIndex === 0).length, 1);
  same("what a reader of screens says", ["train", "val:v0"].map((name) => box(name).getAttribute("aria-label").split(", ")[0]), ["run train", "version val:v0"]);
}

function move() {
  const stage = at("stage"), before = placed();
  press(document.body, "+");
  same("nearer", Math.round(placed().width / before.width * 100), 125);
  press(document.body, "-");
  stage.dispatchEvent(new WheelEvent("wheel", { deltaY: -200, clientX: 300, clientY: 400, bubbles: true, cancelable: true }));
  same("the wheel", placed().width > before.width * 1.5, true);
  at("fit").click();
  const fitted = placed(), frame = stage.getBoundingClientRect();
  same("all in sight", fitted.x >= frame.x && fitted.x + fitted.width <= frame.right + 1, true);
  const [x, y] = middle(box("train"));
  const point = (kind, dx) => box("train").dispatchEvent(new PointerEvent(kind, { pointerId: 1, button: 0, clientX: x + dx, clientY: y, bubbles: true }));
  stage.setPointerCapture = () => {};
  point("pointerdown", 0);
  point("pointermove", 30);
  point("pointerup", 30);
  same("dragged", Math.round(placed().x - fitted.x), 30);
  const chosen = heading();
  clickOn(box("train"));
  same("a drag is no click", heading(), chosen);
  press(document.body, "0");
  same("back", Math.round(placed().x), Math.round(fitted.x));
}

function begin() {
  const picture = document.querySelector("#stage svg").getBoundingClientRect(), frame = at("stage").getBoundingClientRect();
  same("at a size that can be read", Math.round(box("data:v6").querySelector("rect").getBoundingClientRect().width), 192);
  same("no empty ground beyond its end", [picture.x < frame.x, Math.round(picture.right)], [true, Math.round(frame.right)]);
  at("fit").click();
  same("all of it", Math.round(document.querySelector("#stage svg").getBoundingClientRect().width), Math.round(frame.width));
}

async function harm() {
  same("as text", fact("note").startsWith("</script><script>window.harmed = 1</script><img src=x"), true);
  same("what hides is shown", fact("note").endsWith("\\u{202e}"), true);
  same("the description too", fact("description").startsWith("</script><script>"), true);
  same("elements", [document.scripts.length, document.images.length, document.querySelectorAll("b").length], [3, 0, 0]);
  clickOn(box("serve <b>it</b>"));
  same("its name", [heading(), at("details").querySelector("h2").children.length], ["serve <b>it</b>", 0]);
  same("nothing was loaded or refused", [performance.getEntriesByType("resource").length, refused], [0, []]);
  same("a connection is refused", await fetch("http://127.0.0.1:9/").then(() => "made", () => "refused"), "refused");
  const image = document.createElement("img"), script = document.createElement("script");
  image.src = "http://127.0.0.1:9/x.png";
  script.textContent = "window.harmed = 2";
  document.body.append(image, script);
  await new Promise((done) => setTimeout(done, 500));
  same("and a picture, and a script", refused.sort(), ["connect-src", "img-src", "script-src-elem"]);
  same("no harm", window.harmed, undefined);
}

const ground = () => [getComputedStyle(document.body).backgroundColor, getComputedStyle(box("train").querySelector("rect")).fill];
function light() {
  same("light", ground(), ["rgb(255, 255, 255)", "rgb(233, 246, 237)"]);
  same("text", getComputedStyle(document.body).color, "rgb(27, 36, 48)");
  same("names", getComputedStyle(box("train").querySelector(".name")).fill, "rgb(27, 36, 48)");
}
function dark() {
  same("dark", ground(), ["rgb(20, 24, 31)", "rgb(25, 48, 35)"]);
  same("text", getComputedStyle(document.body).color, "rgb(232, 236, 242)");
  same("names", getComputedStyle(box("train").querySelector(".name")).fill, "rgb(232, 236, 242)");
}

function many() {
  same("folded", [boxes().length, at("whole").textContent], [12, "Show all 301"]);
  same("what is folded", box("… 290 more runs") !== undefined, true);
  type("by-7");
  same("finds, folded or not", at("hits").textContent, "11 of 301, 11 folded");
  press(at("search"), "Enter");
  same("unfolded to show one", [heading().startsWith("by-7"), boxes().length, at("whole").getAttribute("aria-pressed")], [true, 301, "true"]);
  const inside = middle(box(heading())), frame = at("stage").getBoundingClientRect();
  same("it is in sight", inside[0] > frame.x && inside[0] < frame.right && inside[1] > frame.y && inside[1] < frame.bottom, true);
  type("");
  at("whole").click();
  same("folded again", [boxes().length, heading()], [12, null]);
  box("… 290 more runs").dispatchEvent(new MouseEvent("click", { bubbles: true }));
  same("a click unfolds", boxes().length, 301);
}
