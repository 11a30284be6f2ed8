// What is known of a node. Text from the store enters the page as text alone, never as markup.

// A number as it stands in the data, where a browser's numbers would change it.
class Exact { constructor(text) { this.text = text; } toString() { return this.text; } toJSON() { return JSON.rawJSON ? JSON.rawJSON(this.text) : this.text; } }

function parseData(text) {
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && context && context.source !== undefined && String(value) !== context.source ? new Exact(context.source) : value);
}

// Controls and what turns the direction of writing could disguise a text; lines stay lines.
const visible = (text) => String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (c) => `\\u{${c.charCodeAt(0).toString(16)}}`);

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = visible(text);
  if (className) made.className = className;
  return made;
}

function sizeText(bytes) {
  if (bytes === null || bytes === undefined) return null;
  const units = ["kB", "MB", "GB", "TB", "PB", "EB"];
  if (bytes < 1000) return `${bytes} B`;
  let value = bytes / 1000, unit = 0;
  while (value >= 999.5 && unit + 1 < units.length) { value /= 1000; unit += 1; }
  return `${value.toFixed(value < 99.95 ? 1 : 0)} ${units[unit]}`;
}
const timeText = (time) => time ? time.replace("T", " ").replace(/(\.\d+)?Z$/, "Z") : null;
const gitText = (git) => git ? `${git.commit ?? "no commit yet"}${git.branch ? ` on ${git.branch}` : ""}${git.dirty ? ", with changes" : ""}` : null;

function valueText(value) {
  if (value instanceof Exact || typeof value === "string") return String(value);
  if (value === null || typeof value !== "object") return String(value);
  return JSON.stringify(value, null, 1);
}

function titleOf(node) {
  if (node.kind === "version") return node.version ? `${node.artifact}:${node.version}` : `${node.artifact ?? ""}@${node.id.slice(0, 16)}`;
  if (node.kind === "run") return node.name ?? node.id.slice(0, 13);
  return node.uri;
}

function rowsOf(node) {
  if (node.missing) return [["id", node.id, "code"], ["digest", node.digest, "code"]];
  if (node.kind === "reference") return [["URI", node.uri, "code"], ["digest", node.digest, "code"], ["size", sizeText(node.size_bytes)]];
  if (node.kind === "version") {
    return [
      ["description", node.description], ["type", node.type], ["aliases", node.aliases.join(", ")], ["tags", node.tags.join(", ")],
      ["created", timeText(node.created_at)], ["content", `${node.file_count} file${node.file_count === 1 ? "" : "s"}, ${sizeText(node.size_bytes)}`],
      ["stored", sizeText(node.stored_bytes)], ["expires", timeText(node.expires_at)], ["git", gitText(node.git)],
      ["run", node.run, "code"], ["id", node.id, "code"], ["digest", node.digest, "code"], ["parents", node.parents.join("\n"), "code"],
    ];
  }
  const state = node.exit_code ? `${node.state} (exit code ${node.exit_code})` : node.signal !== null ? `${node.state} (signal ${node.signal})` : node.state;
  const seconds = node.finished_at ? (Date.parse(node.finished_at) - Date.parse(node.started_at)) / 1000 : null;
  return [
    ["state", state], ["project", node.project], ["job type", node.job_type], ["started", timeText(node.started_at)],
    ["finished", timeText(node.finished_at)], ["took", seconds === null ? null : `${seconds < 100 ? seconds.toFixed(1) : Math.round(seconds)} s`],
    ["command", node.argv ? node.argv.join(" ") : null, "code"], ["git", gitText(node.git)], ["remote", node.remote, "code"],
    ["host", node.host], ["user", node.user], ["id", node.id, "code"],
  ];
}

function table(rows) {
  const list = element("dl");
  for (const [name, value, className] of rows) {
    if (value === null || value === undefined || value === "") continue;
    list.append(element("dt", name), element("dd", value, className));
  }
  return list;
}

// Fills the panel; `steps` lists what is beside the node, and `go` is called with the id of one.
function fillDetails(panel, node, steps, go, close) {
  const button = element("button", "×", "close");
  button.type = "button";
  button.setAttribute("aria-label", "Close the details");
  button.addEventListener("click", close);
  panel.replaceChildren(button, element("h2", titleOf(node)), element("p", node.kind, "sort"));
  if (node.deleted) panel.append(element("p", "deleted", "warn"));
  if (node.contested) panel.append(element("p", "its deletion is contested", "warn"));
  if (node.missing) panel.append(element("p", "its record is not in this copy of the store", "warn"));
  panel.append(table(rowsOf(node)));
  for (const [name, values] of [["Metadata", node.metadata], ["Summary", node.summary], ["Config", node.config]]) {
    const rows = Object.entries(values ?? {}).map(([key, value]) => [key, valueText(value), "code"]);
    if (rows.length) panel.append(element("h3", name), table(rows));
  }
  for (const [name, list] of [["Comes from", steps.up], ["Led to", steps.down]]) {
    if (!list.length) continue;
    panel.append(element("h3", `${name} (${list.length})`));
    const items = element("ul");
    for (const step of list.slice(0, 200)) {
      const item = element("li"), link = element("button", titleOf(step.node));
      link.type = "button";
      const remarks = [step.node.kind, ...step.as.map((role) => `as ${role}`), step.again ? "again" : "", step.kind === "copied" ? "copied" : ""];
      link.append(element("small", remarks.filter(Boolean).join(", ")));
      link.addEventListener("click", () => go(step.node.id));
      item.append(link);
      items.append(item);
    }
    panel.append(items);
    if (list.length > 200) panel.append(element("p", `… and ${list.length - 200} more`));
  }
  if (node.beyond) panel.append(element("p", `${node.beyond} more beyond the depth that was asked for`, "sort"));
}
