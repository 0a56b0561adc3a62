import { app as h } from "../../../scripts/app.js";
import { api as m } from "../../../scripts/api.js";
const r = h, i = m;
class c extends Error {
  constructor(e, n, a, s = []) {
    super(n), this.code = e, this.hint = a, this.errors = s;
  }
  code;
  hint;
  errors;
  static from({ error: e, message: n, hint: a, errors: s }, o) {
    const u = (s ?? []).map((d) => c.from(d, o));
    return new c(e ?? "server-error", n ?? o, a ?? "", u);
  }
}
function C({ started: t, created: e, refreshed: n, commands: a }) {
  r.registerExtension({
    name: "SDGen",
    setup: t,
    nodeCreated: e,
    refreshComboInNodes: n,
    commands: a.map(({ id: s, label: o, icon: u, press: d }) => ({ id: s, label: o, icon: u, function: d })),
    menuCommands: [{ path: ["SDGen"], commands: a.map(({ id: s }) => s) }]
  });
}
function w(t) {
  return t.comfyClass ?? t.type ?? "";
}
const v = 20;
function b(t, e, n) {
  const a = t.addDOMWidget("sdgen_panel", "sdgen_panel", e, {
    serialize: !1,
    hideOnZoom: !1,
    getValue: () => "",
    setValue: () => {
    },
    getMinHeight: () => n() + v
  });
  a.serialize = !1, e.addEventListener("wheel", (s) => {
    e.scrollHeight > e.clientHeight + 1 && !s.ctrlKey ? s.stopPropagation() : (s.preventDefault(), r.canvas?.processMouseWheel?.(s));
  });
}
function E(t, e) {
  e.isConnected || t.graph !== r.canvas?.graph || document.querySelector(`[data-node-id="${t.id}"] .sdgen-panel`)?.replaceWith(e);
}
function y(t) {
  const e = t.flags?.collapsed ? 0 : t.computeSize()[1];
  t.size[1] < e && t.setSize([t.size[0], e]), t.setDirtyCanvas?.(!0, !0);
}
function W(t) {
  return t.graph !== null && t.graph !== void 0;
}
function f(t, e) {
  const n = t.widgets?.find((a) => a.name === e)?.value;
  return typeof n == "string" ? n : typeof n == "number" ? String(n) : "";
}
function $(t, e) {
  const n = t.widgets?.find((a) => a.name === e);
  n && (n.hidden = !0, n.options && (n.options.hidden = !0));
}
function D(t, e, n) {
  const a = t.widgets?.find((o) => o.name === e);
  if (!a) return;
  a.value = n, a.callback?.(n), y(t);
  const s = r.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  s?.captureCanvasState ? s.captureCanvasState() : s?.checkState?.();
}
function M(t, e, n) {
  const a = t.widgets?.find((s) => s.name === e);
  a?.options && (a.options.values = n);
}
function z(t, e, n) {
  e.classList.toggle("sdgen-wrong", n), t.strokeStyles && (t.strokeStyles.sdgen = () => n ? { color: "#e0443e", lineWidth: 3, padding: 8 } : void 0), t.setDirtyCanvas?.(!0, !0);
}
function k(t, e) {
  const n = t.inputs?.findIndex((s) => s.name === e) ?? -1;
  if (n < 0) return null;
  let a = l(t, n);
  for (let s = 0; a && w(a) === "Reroute" && s < 50; s++) a = l(a, 0);
  return a;
}
function l(t, e) {
  try {
    return t.getInputNode(e);
  } catch {
    return null;
  }
}
function A(t) {
  const e = t.graph?.nodes?.find((n) => f(n, "ckpt_name") && !k(n, "ckpt_name"));
  return e ? f(e, "ckpt_name") : "";
}
function G(t) {
  const e = t.graph?.rootGraph ?? t.graph;
  return `${e?.id ?? ""}/${t.graph === e ? "" : t.graph?.id ?? ""}/${t.id}`;
}
function L(t, e) {
  const n = t.onExecuted;
  t.onExecuted = function(a) {
    n?.call(t, a), e(a);
  };
}
function N(t, e) {
  const n = t.onRemoved;
  t.onRemoved = function() {
    n?.call(t), e();
  };
}
function O(t) {
  return p(t, { cache: "no-store" });
}
function R(t, e, n) {
  return p(t, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-SDGen": "1" },
    body: JSON.stringify(e),
    ...n && { signal: n }
  });
}
async function T(t, e) {
  const n = await i.fetchApi(t, { cache: "no-store", signal: e });
  return n.ok || await g(n), n.blob();
}
function I(t) {
  return i.apiURL?.(t) ?? t;
}
async function p(t, e) {
  return g(await i.fetchApi(t, e));
}
async function g(t) {
  const e = await t.text();
  let n;
  try {
    n = JSON.parse(e);
  } catch {
    throw new c("server-error", `${t.status} ${t.statusText}`, "");
  }
  if (t.ok) return n;
  throw c.from(n, t.statusText);
}
function P(t, e, n = {}) {
  const a = (s) => {
    e(s.detail);
  };
  i.addEventListener(t, a, n);
}
function _(t, e) {
  const n = i.dispatchCustomEvent?.bind(i);
  n && (i.dispatchCustomEvent = (a, s) => a === t && e(s) ? !0 : n(a, s));
}
function F(t) {
  const [e, n] = [r.handleFile?.bind(r), r.loadGraphData?.bind(r)];
  !e || !n || (r.handleFile = async (a, ...s) => {
    const o = await t(a);
    await (o ? n(o, !0, !0, a.name.replace(/\.\w+$/, "")) : e(a, ...s));
  });
}
function H(t, e, n) {
  r.extensionManager?.toast?.add({ severity: t, summary: e, detail: n, ...t !== "error" && { life: 8e3 } });
}
function j() {
  const t = r.extensionManager?.setting?.get("Comfy.Locale");
  return typeof t == "string" && t ? t : "en";
}
export {
  c as S,
  F as a,
  I as b,
  T as c,
  b as d,
  y as e,
  k as f,
  O as g,
  $ as h,
  W as i,
  N as j,
  E as k,
  j as l,
  z as m,
  w as n,
  P as o,
  R as p,
  L as q,
  C as r,
  D as s,
  H as t,
  A as u,
  G as v,
  f as w,
  _ as x,
  M as y
};
