"use strict";
// Lines of text of any number: only those in sight are in the document.

const HEIGHT = 18, AROUND = 8, LONGEST = 2000, CONTEXT = 3;

const KINDS = ["c", "s", "v", "y", "t", "o", "n"];
const LANGUAGES = {
  mlir: /(\/\/.*$)|("(?:[^"\\]|\\.)*")|(%[\w$.#-]+|\^bb\d+)|([@#!][\w$.]+)|(\b(?:tensor|memref|vector)<[^<>]*>|\b(?:[iuf]\d+|bf16|index)\b)|(\b[a-z]\w*(?:\.[a-z_]\w*)+\b)|(\b\d[\w.]*\b)/g,
  llvm: /(;.*$)|("(?:[^"\\]|\\.)*")|(%[\w$.-]+)|([@#!][\w$.]+)|(<\d+ x \w+>|\b(?:i\d+|float|double|half|bfloat|ptr|void)\b)|(\b(?:add|sub|mul|[fsu]\w+|load|store|call|br|ret|phi|getelementptr|icmp|select|alloca|\w+vector|\w+element|define|declare)\b)|(\b\d[\w.+]*\b)/g,
  assembly: /(#.*$)|("(?:[^"\\]|\\.)*")|(%\w+)|(\.?\.?L\w+|^[\w.$]+:)|(^\s*\.\w+)|(^\s+[a-z]\w*)|(\$?-?\b\d\w*\b)/g,
  python: /(#.*$)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(\bself\b)|(@[\w.]+)|(\b(?:None|True|False|int|float|str|bool|list|dict|tuple)\b)|(\b(?:def|class|return|if|elif|else|for|while|in|not|and|or|is|import|from|as|with|lambda|raise|yield|pass|assert|try|except|finally)\b)|(\b\d[\w.]*\b)/g,
};

function escaped(text) {
  return text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);
}

function coloured(text, language) {
  let html = "", end = 0;
  for (const match of text.matchAll(LANGUAGES[language])) {
    const kind = KINDS[match.slice(1).findIndex((part) => part !== undefined)];
    html += `${escaped(text.slice(end, match.index))}<span class="${kind}">${escaped(match[0])}</span>`;
    end = match.index + match[0].length;
  }
  return html + escaped(text.slice(end));
}

/** A line as HTML: coloured, with what the pattern finds marked and what is between `word` set apart. */
function lineHtml(text, language, pattern, word) {
  const cut = text.length > LONGEST ? ` … ${text.length - LONGEST} more characters` : "";
  text = text.slice(0, LONGEST);
  const pieces = pattern ? [...text.matchAll(pattern)].filter((m) => m[0]).map((m) => [m.index, m.index + m[0].length, "mark"]) : [];
  if (!pieces.length && word && word[1] > word[0]) pieces.push([...word, "b"]);
  let html = "", end = 0;
  for (const [from, to, tag] of pieces) {
    html += `${coloured(text.slice(end, from), language)}<${tag}>${coloured(text.slice(from, to), language)}</${tag}>`;
    end = to;
  }
  return html + coloured(text.slice(end), language) + cut;
}

/** Runs of lines, one below the other: a text is one run, a diff has many. A run: kind, document, first line, count. */
class Runs {
  constructor(runs) {
    this.runs = runs;
    this.begin = [];
    this.count = 0;
    for (const run of runs) {
      this.begin.push(this.count);
      this.count += run.kind === "fold" ? 1 : run.count;
    }
  }

  static whole(document) {
    return new Runs([{ kind: "same", document, first: 0, count: document.lines.length }]);
  }

  /** Changes with a few lines around them; what lies between is folded. */
  static diff(before, after) {
    const runs = [];
    const same = (first, end, head, tail) => {
      const top = head ? CONTEXT : 0, bottom = tail ? CONTEXT : 0, count = end - first;
      if (count <= top + bottom + 1) return runs.push({ kind: "same", document: after, first, count });
      runs.push({ kind: "same", document: after, first, count: top });
      runs.push({ kind: "fold", document: after, first: first + top, count: count - top - bottom });
      runs.push({ kind: "same", document: after, first: end - bottom, count: bottom });
    };
    let at = 0;
    for (let i = 0; i < after.changes.length; i += 4) {
      const [a, b, c, d] = after.changes.subarray(i, i + 4);
      if (c > at) same(at, c, i > 0, true);
      const old = { kind: "old", document: before, first: a, count: b - a };
      const now = { kind: "new", document: after, first: c, count: d - c };
      [old.other, now.other] = [now, old];
      runs.push(old, now);
      at = d;
    }
    if (at < after.lines.length) same(at, after.lines.length, after.changes.length > 0, false);
    return new Runs(runs.filter((run) => run.count));
  }

  run(row) {
    let low = 0, high = this.runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.begin[middle] <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  row(row) {
    const index = this.run(row), run = this.runs[index], offset = row - this.begin[index], line = run.first + offset;
    return { run, index, offset, line, id: run.document.lines[line], origin: run.document.origins[line], document: run.document };
  }

  unfold(index) {
    const runs = this.runs.slice();
    runs[index] = { ...runs[index], kind: "same" };
    return new Runs(runs);
  }
}

/** What is different in two lines, from where to where in the first; null if most of it is. */
function difference(text, other) {
  let begin = 0, end = 0;
  const indented = text.search(/\S|$/), most = Math.min(text.length, other.length);
  while (begin < most && text[begin] === other[begin]) begin++;
  while (end < most - begin && text[text.length - 1 - end] === other[other.length - 1 - end]) end++;
  const alike = Math.max(0, begin - indented) + end;
  return alike * 3 > Math.max(text.length, other.length) - indented ? [begin, text.length - end] : null;
}

class Viewer {
  constructor(element, table, chosen) {
    Object.assign(this, { element, table, chosen, runs: new Runs([]), at: -1, pattern: null, drawn: new Map(), akin: () => false });
    this.rows = element.appendChild(document.createElement("div"));
    this.rows.className = "rows";
    element.addEventListener("scroll", () => this.later());
    new ResizeObserver(() => this.later()).observe(element);
    this.rows.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row && !getSelection().toString()) this.choose(Number(row.dataset.row));
    });
  }

  show(runs, language, row = 0) {
    this.runs = runs;
    this.language = language;
    this.at = -1;
    const widest = Math.max(0, ...runs.runs.map((run) => run.document.width));
    this.rows.style.height = `${runs.count * HEIGHT}px`;
    this.rows.style.width = `${Math.min(widest, LONGEST + 40) + 9}ch`;
    this.element.scrollTo(0, Math.max(0, (row - 5) * HEIGHT));
    this.draw();
  }

  choose(row) {
    const { run, index } = this.runs.row(row);
    if (run.kind === "fold") {
      const top = this.element.scrollTop;
      this.show(this.runs.unfold(index), this.language);
      this.element.scrollTop = top;
      return this.draw();
    }
    this.at = row;
    this.chosen(this.runs.row(row));
    this.draw();
  }

  reveal(row) {
    this.at = row;
    const top = row * HEIGHT, { scrollTop, clientHeight } = this.element;
    if (top < scrollTop || top + HEIGHT > scrollTop + clientHeight) this.element.scrollTop = Math.max(0, top - clientHeight / 3);
    this.draw();
  }

  /** The next row for which `test` holds, from the chosen one on, around the end; -1 if there is none. */
  find(test, forward = true) {
    const { count } = this.runs, start = this.at < 0 ? (forward ? -1 : 0) : this.at;
    for (let step = 1; step <= count; step++) {
      const row = (start + (forward ? step : count - step) + count) % count;
      const found = this.runs.row(row);
      if (found.run.kind !== "fold" && test(found)) return row;
    }
    return -1;
  }

  later() {
    this.asked ??= requestAnimationFrame(() => {
      this.asked = undefined;
      this.fill();
    });
  }

  draw() {
    this.rows.textContent = "";
    this.drawn = new Map();
    this.fill();
  }

  /** Put in the rows that have come into sight, and take out those that have left it. */
  fill() {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / HEIGHT) - AROUND);
    const last = Math.min(this.runs.count, Math.ceil((scrollTop + clientHeight) / HEIGHT) + AROUND);
    for (const [row, element] of this.drawn) {
      if (row >= first && row < last) continue;
      element.remove();
      this.drawn.delete(row);
    }
    for (let row = first; row < last; row++) {
      if (this.drawn.has(row)) continue;
      this.rows.insertAdjacentHTML("beforeend", this.html(row));
      this.drawn.set(row, this.rows.lastElementChild);
    }
  }

  html(row) {
    const found = this.runs.row(row), { run, line, id } = found;
    const place = `data-row="${row}" style="top:${row * HEIGHT}px"`;
    if (run.kind === "fold") {
      return `<div class="row fold" ${place}><span class="no">⋯</span>${run.count.toLocaleString("en")} lines unchanged</div>`;
    }
    const names = ["row", run.kind, this.akin(found) ? "akin" : "", row === this.at ? "at" : ""].join(" ");
    const other = run.other && found.offset < run.other.count ? run.other.document.lines[run.other.first + found.offset] : -1;
    const word = other < 0 ? null : difference(this.table[id], this.table[other]);
    const sign = { old: "−", new: "+" }[run.kind] ?? "";
    const text = lineHtml(this.table[id], this.language, this.pattern, word);
    return `<div class="${names}" ${place}><span class="no">${sign}${line + 1}</span><code>${text}</code></div>`;
  }
}
