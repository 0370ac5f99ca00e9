// Tables that sort, filter and download; text only ever goes in as text.

const PAGE = 50;
const table = { sort: null, descending: true, filter: "", page: 0 };

function element(name, options = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (key === "text") node.textContent = value;
    else if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

// A command broken between its words only: a browser would break "--out" behind its hyphens.
function unbroken(text) {
  return text.split(" ").flatMap((word, i) => [i ? " " : "", word.length > 30 ? word : element("span", { class: "word", text: word })]);
}

function columns() {
  const out = [
    { name: "config", title: "Model", text: true, get: (r) => r.model.config },
    { name: "family", title: "Family", text: true, get: (r) => r.model.family },
    { name: "scale", title: "Scale", get: (r) => r.model.scale },
    { name: "parameters", title: "Parameters", get: (r) => r.model.parameters },
    { name: "macs_full_hd", title: "MACs", get: (r) => r.model.macs_full_hd },
    { name: "fps", title: "frames/s", get: (r) => r.point?.fps },
    { name: "power_w", title: "W", get: (r) => r.point?.power_w },
    { name: "energy_j", title: "J per frame", get: (r) => r.point?.energy_j },
    { name: "memory_mib", title: "MiB", get: (r) => r.point?.memory_mib },
    { name: "timing", title: "Timing", text: true, get: (r) => (r.point ? timing(r.point) : "") },
    { name: "note", title: "Note", text: true, get: (r) => (r.point?.disturbed === true ? "disturbed" : "") },
  ];
  for (const name of metricsOf(state.source)) {
    const cut = name.indexOf(":"), [label, , , digits] = METRIC[name.slice(0, cut)] || [name.slice(0, cut), "", true, 4];
    out.push({ name, title: `${label} ${name.slice(cut + 1)}`, digits, get: (r) => r.model[name] });
  }
  return out;
}

function used(list, rows) { return list.filter((c) => rows.some((row) => known(c.get(row)) && c.get(row) !== "")); }

function sorted(rows, list) {
  const column = list.find((c) => c.name === table.sort) || list.find((c) => c.name === qualityColumn()) || list[0];
  const sign = table.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const u = column.get(a), v = column.get(b);
    if (!known(u) || !known(v)) return known(v) - known(u);
    return sign * (column.text ? String(u).localeCompare(String(v), "en", { numeric: true }) : u - v);
  });
}

function tableRows() {
  const wanted = table.filter.trim().toLowerCase();
  return candidates().filter((row) => row.model.config.toLowerCase().includes(wanted));
}

function header(list, onSort) {
  return element("thead", {}, element("tr", {}, ...list.map((c) => {
    const current = onSort && (table.sort || qualityColumn()) === c.name;
    const label = onSort ? element("button", { type: "button", text: c.title, onclick: () => onSort(c) }) : c.title;
    return element("th", { scope: "col", class: c.text ? "" : "n", "aria-sort": onSort ? (current ? (table.descending ? "descending" : "ascending") : "none") : null }, label);
  })));
}

function cells(row, list) {
  return list.map((c) => {
    if (c.name === "config") {
      return element("td", {}, element("button", { type: "button", text: row.model.config, onclick: () => { select(row.model.at); reveal("detail"); } }));
    }
    const value = c.get(row);
    return element("td", { class: c.text ? "" : "n", text: c.text ? value ?? "" : number(value, c.digits) });
  });
}

function drawModels() {
  const rows = tableRows(), list = used(columns(), rows), all = sorted(rows, list.length ? list : columns());
  const pages = Math.max(1, Math.ceil(all.length / PAGE));
  table.page = Math.min(table.page, pages - 1);
  const body = all.slice(table.page * PAGE, (table.page + 1) * PAGE);
  const onSort = (column) => {
    table.descending = table.sort === column.name || (!table.sort && column.name === qualityColumn()) ? !table.descending : !column.text;
    table.sort = column.name; table.page = 0;
    remember(); drawModels();
    document.querySelectorAll("#models-table th button").forEach((b) => { if (b.textContent === column.title) b.focus(); });
  };
  document.getElementById("models-table").replaceChildren(
    element("caption", { class: "sub", text: "All models of the choice above; a heading sorts." }),
    header(list, onSort),
    element("tbody", {}, ...body.map((row) => element("tr", { class: row.model.at === state.selected ? "on" : "" }, ...cells(row, list)))),
  );
  document.getElementById("models-count").textContent = `${all.length} rows`;
  document.getElementById("page-of").textContent = `page ${table.page + 1} of ${pages}`;
  document.getElementById("prev").disabled = table.page === 0;
  document.getElementById("next").disabled = table.page >= pages - 1;
}

function bestRows() {
  const out = [];
  for (const scale of [...state.scales].sort()) {
    for (const family of Object.keys(DATA.families).filter((f) => state.families.has(f))) {
      const mine = candidates().filter((r) => r.model.scale === scale && r.model.family === family && known(valueOf(r, QUALITY)));
      if (!mine.length) continue;
      const timed = mine.filter((r) => r.point), roles = new Map();
      const add = (row, role) => { if (row) roles.set(row, [...(roles.get(row) || []), role]); };
      add(fastest(timed, (row) => row.point), "fastest");
      add(timed.length ? knee(timed) : null, "knee");
      add(bestOf(mine), "best");
      for (const [row, names] of roles) out.push({ ...row, what: names.join(", ") });
    }
  }
  return out;
}

function bestColumns(rows) {
  const oneWay = state.backend || backends().length < 2;
  const list = used(columns().filter((c) => c.name !== "family" && !(oneWay && c.name === "timing")), rows);
  return [...list.slice(0, 1), { name: "what", title: "What", text: true, get: (r) => r.what }, ...list.slice(1)];
}

function drawBest() {
  const rows = bestRows(), list = bestColumns(rows);
  document.getElementById("best-table").replaceChildren(
    element("caption", { class: "sub", text: `Fastest, best and knee of each family and scale, by ${axis(QUALITY).title}.` }),
    header(list, null),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row, list)))),
  );
}

// A cell that a spreadsheet would run as a formula gets a quote in front.
function csvCell(value) {
  if (!known(value)) return "";
  const text = typeof value === "string" && /^[=+@\t\r-]/.test(value) ? `'${value}` : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
function toCsv(rows, list) {
  return [list.map((c) => csvCell(c.name)).join(","), ...rows.map((r) => list.map((c) => csvCell(c.get(r))).join(","))].join("\n") + "\n";
}
function toJson(rows, list) {
  return JSON.stringify(rows.map((r) => Object.fromEntries(list.map((c) => [c.name, c.get(r) ?? null]))), null, 1);
}
function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
